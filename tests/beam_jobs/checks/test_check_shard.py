"""The check of a shard finds what was altered, and names shard, record and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.checks.check_shard import shard_checks
from pipeline.records.manifest import load_manifest
from pipeline.records.record import Record
from pipeline.views.placement import Rectangle
from tests.beam_jobs.forged_set import forge, second
from tests.beam_jobs.record_job import findings


def shifted_box(record: Record) -> Record:
    boxes = record.boxes.copy()
    boxes[0] += np.float32(1 / 64) * (1 if boxes[0].max() < 0.9 else -1)
    return replace(record, boxes=boxes)


def other_offsets(record: Record) -> Record:
    return replace(record, targets=replace(record.targets, offsets=record.targets.offsets + np.float32(1e-4)))


def one_anchor_less(record: Record) -> Record:
    t = record.targets
    return replace(record, targets=replace(t, anchors=t.anchors[1:], classes=t.classes[1:], offsets=t.offsets[1:]))


def other_classes(record: Record) -> Record:
    labels = (record.labels + 1) % 10
    return replace(record, labels=labels)


def nothing_ignored(record: Record) -> Record:
    return replace(record, targets=replace(record.targets, ignored=record.targets.ignored[:0]))


@pytest.mark.parametrize("change", [shifted_box, other_offsets, one_anchor_less, other_classes, nothing_ignored])
def test_targets_that_a_new_matching_does_not_give(change: Callable[[Record], Record], records: Path) -> None:
    name = forge(records, second(change))
    found = findings(records)
    assert found and all(f.startswith(f"{name}: record 1 (train/") for f in found)
    assert any("by a new matching" in f for f in found)


def outside(record: Record) -> Record:
    return replace(record, boxes=record.boxes + np.float32(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, boxes=r.boxes * np.float32("nan")), "image/object/bbox must lie in [0, 1]"),
        (outside, "image/object/bbox must lie in [0, 1]"),
        (lambda r: replace(r, boxes=r.boxes[:, [2, 1, 0, 3]]), "image/object/bbox must have an area"),
        (lambda r: replace(r, labels=r.labels + 10), "image/object/class/label must be in [0, 10)"),
        (lambda r: replace(r, encoded=r.encoded[:-1]), "image/encoded: raw picture must have"),
        (lambda r: replace(r, window=Rectangle(63, 0, 16, 16)), "image/window must lie inside"),
        (lambda r: replace(r, format="png"), "image/format must be raw, got png"),
        (lambda r: replace(r, height=65), "image/height must be 64, got 65"),
        (lambda r: replace(r, source_id="other"), "image/key must be train/other/<copy>"),
        (lambda r: replace(r, key="test/" + r.key), "image/key must be train/"),
        (
            lambda r: replace(r, targets=replace(r.targets, anchors=r.targets.anchors[::-1])),
            "must ascend",
        ),
        (
            lambda r: replace(r, targets=replace(r.targets, anchors=r.targets.anchors + 9999)),
            "must be in [0, ",
        ),
        (
            lambda r: replace(r, targets=replace(r.targets, ignored=r.targets.anchors)),
            "must not name matched",
        ),
    ],
)
def test_fields_that_cannot_be(change: Callable[[Record], Record], words: str, records: Path) -> None:
    name = forge(records, second(change))
    found = [f for f in findings(records, sample=0) if words in f]
    assert found and all(f.startswith(f"{name}: record 1 (") for f in found)


def test_records_out_of_order_twice_or_in_the_wrong_shard(records: Path) -> None:
    name = forge(records, lambda r: [r[1], r[0], *r[2:]])
    assert any(f.startswith(f"{name}: record 1") and "must come after" in f for f in findings(records))
    forge(records, lambda r: [r[1], r[1], *r[2:]])
    assert any("only once" in f for f in findings(records))
    forge(records, second(lambda r: replace(r, key="train/0001/77", source_id="0001")))
    assert any("by its hash, got shard 0" in f or "must come after" in f for f in findings(records))


def test_a_record_too_few(records: Path) -> None:
    name = forge(records, lambda r: r[:-1])
    manifest = load_manifest(str(records))
    first = manifest.shards["train"][0]
    shards = {**manifest.shards, "train": (replace(first, examples=first.examples + 1), *manifest.shards["train"][1:])}
    (records / "manifest.json").write_text(replace(manifest, shards=shards).to_json())
    assert f"{name}: must hold {first.examples + 1} records, got {first.examples}" in findings(records)


def test_the_sample_is_about_as_large_as_asked(made: Path) -> None:
    checks = shard_checks(load_manifest(str(made)), 10)
    assert {check.split: check.share for check in checks}["train"] < 0.3
    assert all(check.share == 1.0 for check in shard_checks(load_manifest(str(made)), None))
