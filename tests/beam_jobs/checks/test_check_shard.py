"""The check of a shard finds what was altered, and names shard, record and key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_jobs.checks.check_shard import make_shard_checks
from pipeline.compositions.composition import no_objects
from pipeline.geometry.targets import Targets
from pipeline.records.manifest import load_manifest
from pipeline.records.packed_view import HEADER, RecordView
from pipeline.records.record import Record
from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.beam_jobs.forged_set import forge, forge_bytes, in_view, second
from tests.beam_jobs.record_job import findings
from tests.commands import output, run_python


def shifted_box(view: RecordView) -> RecordView:
    boxes = view.boxes.copy()
    boxes[0] += np.float32(1 / 64) * (1 if boxes[0].max() < 0.9 else -1)
    return replace(view, boxes=boxes)


def with_targets(**changes: Callable[[Targets], NDArray[Any]]) -> Callable[[RecordView], RecordView]:
    """Replaces fields of a view's targets."""

    def changed(view: RecordView) -> RecordView:
        fields = {name: change(view.targets) for name, change in changes.items()}
        return replace(view, targets=replace(view.targets, **fields))

    return changed


other_offsets = with_targets(offsets=lambda t: t.offsets + np.float32(1e-4))
one_anchor_less = with_targets(
    anchors=lambda t: t.anchors[1:],
    classes=lambda t: t.classes[1:],
    offsets=lambda t: t.offsets[1:],
    objects=lambda t: t.objects[1:],
)
nothing_ignored = with_targets(ignored=lambda t: t.ignored[:0])


@pytest.mark.parametrize("change", [shifted_box, other_offsets, one_anchor_less, nothing_ignored])
def test_targets_that_a_new_matching_does_not_give(change: Callable[[RecordView], RecordView], records: Path) -> None:
    name = forge(records, second(in_view(change)))
    found = findings(records)
    assert found and all(f.startswith(f"{name}: record 1 (train/") for f in found)
    assert any("image/views[0]: " in f and "by a new matching" in f for f in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_view(lambda v: replace(v, boxes=v.boxes * np.float32("nan"))), "image/views[0]: boxes must lie in [0, 1]"),
        (in_view(lambda v: replace(v, labels=v.labels + 10)), "image/views[0]: labels must be in [0, 10)"),
        (in_view(with_targets(anchors=lambda t: t.anchors + 9999)), "image/views[0]: anchors must be in [0, "),
        (in_view(with_targets(ignored=lambda t: np.arange(400))), "image/views[0]: ignored must number at most"),
        (lambda r: replace(r, encoded=r.encoded[:-1]), "image/encoded: raw image must have"),
        (lambda r: replace(r, key="test/" + r.key), "image/key must be train/"),
        (lambda r: replace(r, views=r.views * 2), "image/views must hold 1 views, got 2"),
        (lambda r: replace(r, drawn=(replace(r.drawn[0], truth=no_objects()),)), "image/ground_truth is there, but"),
        (lambda r: replace(r, drawn=(replace(r.drawn[0], label=10),)), "image/drawn: labels must be in [0, 10)"),
    ],
)
def test_what_a_record_cannot_hold_is_found_without_a_new_matching(
    change: Callable[[Record], Record], words: str, records: Path
) -> None:
    """What there is besides: tests/pipeline/records/test_read_records.py."""
    name = forge(records, second(change))
    found = [f for f in findings(records, sample=0) if words in f]
    assert found and all(f.startswith(f"{name}: record 1 (") for f in found)


def feature(name: str, value: Value) -> Callable[[list[bytes]], list[bytes]]:
    """Gives the record of index 1 another feature."""
    return lambda records: [records[0], encode_example({**decode_example(records[1]), name: value}), *records[2:]]


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image/height", ints(10**6)),
        ("image/height", np.ones(1, np.float32)),
        ("image/encoded", []),
        ("image/format", [b"\xff"]),
        ("image/drawn", ints(8, 8)),
        ("image/drawn", ints(8, 8, 10)),
        ("image/views", [b"view"]),
        ("image/views", [bytes(48), bytes(48)]),
    ],
)
def test_features_that_cannot_be(name: str, value: Value, records: Path) -> None:
    shard = forge_bytes(records, feature(name, value))
    found = findings(records)
    assert found and all(f.startswith(f"{shard}: record 1") for f in found)
    assert any(name in f for f in found)


def words_changed(at: int, value: int) -> Callable[[list[bytes]], list[bytes]]:
    """Changes one word of the first view of the record of index 1."""

    def changed(records: list[bytes]) -> list[bytes]:
        features = decode_example(records[1])
        (packed,) = features["image/views"]
        words = np.frombuffer(packed, "<i4").copy()
        words[at] = value
        features["image/views"] = [words.tobytes()]
        return [records[0], encode_example(features), *records[2:]]

    return changed


@pytest.mark.parametrize("at", range(HEADER))
@pytest.mark.parametrize("value", [-1, 999, 2**31 - 1, -(2**31)])
def test_words_of_a_header_that_cannot_be(at: int, value: int, made: Path, tmp_path: Path) -> None:
    records = Path(shutil.copytree(made, tmp_path / "records"))
    shard = forge_bytes(records, words_changed(at, value))
    found = findings(records, sample=0)
    assert found and all(f.startswith(f"{shard}: record 1") for f in found)
    assert any("image/views[0]: " in f for f in found)


IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from tests.beam_jobs.record_job import findings
resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)
print(*findings(Path(sys.argv[1])), sep="\\n")
"""


def test_a_record_of_100_000_boxes(records: Path) -> None:
    def full(view: RecordView) -> RecordView:
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (100_000, 1))
        return replace(view, boxes=boxes, labels=np.full(100_000, view.labels[0]))

    name = forge(records, second(in_view(full)))
    lines = output(run_python("-c", IN_LITTLE_MEMORY, str(records))).splitlines()
    assert len(lines) == 2 and all(line.startswith(f"{name}: record 1 (train/") for line in lines)
    assert "boxes must number at most 2, as in the manifest, got 100000" in lines[0]
    assert "few enough to be matched" in lines[1]


def test_records_out_of_order_twice_or_in_the_wrong_shard(records: Path) -> None:
    name = forge(records, lambda r: [r[1], r[0], *r[2:]])
    assert any(f.startswith(f"{name}: record 1") and "must come after" in f for f in findings(records))
    forge(records, lambda r: [r[1], r[1], *r[2:]])
    assert any("only once" in f for f in findings(records))
    forge(records, second(lambda r: replace(r, key="train/0001/77", source_id="0001")))
    assert any("by its hash, got shard 0" in f or "must come after" in f for f in findings(records))


def test_a_record_too_few(records: Path) -> None:
    name = forge(records, lambda r: r[:-1])
    examples = load_manifest(str(records)).shards("train")[0].examples
    assert f"{name}: must hold {examples} records, got {examples - 1}" in findings(records)


def test_the_sample_is_about_as_large_as_asked(made: Path) -> None:
    checks = make_shard_checks(load_manifest(str(made)), 10)
    assert {check.split: check.share for check in checks}["train"] < 0.3
    assert all(check.share == 1.0 for check in make_shard_checks(load_manifest(str(made)), None))
