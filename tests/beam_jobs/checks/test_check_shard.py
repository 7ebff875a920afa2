"""The check of a shard finds what was altered, and names shard, record and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_jobs.checks.check_shard import shard_checks
from pipeline.records.manifest import load_manifest
from pipeline.records.record import Record
from pipeline.records.tf_example import Value, decode_example, encode_example
from pipeline.views.placement import Rectangle
from tests.beam_jobs.forged_set import forge, forge_bytes, second
from tests.beam_jobs.record_job import findings
from tests.commands import output, run_python


def shifted_box(record: Record) -> Record:
    boxes = record.boxes.copy()
    boxes[0] += np.float32(1 / 64) * (1 if boxes[0].max() < 0.9 else -1)
    return replace(record, boxes=boxes)


def other_offsets(record: Record) -> Record:
    return replace(record, targets=replace(record.targets, offsets=record.targets.offsets + np.float32(1e-4)))


def one_anchor_less(record: Record) -> Record:
    t = record.targets
    return replace(record, targets=replace(t, anchors=t.anchors[1:], classes=t.classes[1:], offsets=t.offsets[1:]))


def nothing_ignored(record: Record) -> Record:
    return replace(record, targets=replace(record.targets, ignored=record.targets.ignored[:0]))


@pytest.mark.parametrize("change", [shifted_box, other_offsets, one_anchor_less, nothing_ignored])
def test_targets_that_a_new_matching_does_not_give(change: Callable[[Record], Record], records: Path) -> None:
    name = forge(records, second(change))
    found = findings(records)
    assert found and all(f.startswith(f"{name}: record 1 (train/") for f in found)
    assert any("by a new matching" in f for f in found)


def outside(record: Record) -> Record:
    return replace(record, boxes=record.boxes + np.float32(1))


def infinite_offsets(record: Record) -> Record:
    offsets = np.full_like(record.targets.offsets, np.inf)
    return replace(record, targets=replace(record.targets, offsets=offsets))


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
        (lambda r: replace(r, source_id="other"), "image/key must be train/other/<copy below "),
        (lambda r: replace(r, key="test/" + r.key), "image/key must be train/"),
        (lambda r: replace(r, targets=replace(r.targets, anchors=r.targets.anchors[::-1])), "must ascend"),
        (lambda r: replace(r, targets=replace(r.targets, anchors=r.targets.anchors + 9999)), "must be in [0, "),
        (lambda r: replace(r, targets=replace(r.targets, ignored=r.targets.anchors)), "must not name matched"),
        (lambda r: replace(r, labels=r.labels - 10), "image/object/class/label must be in [0, 10)"),
        (infinite_offsets, "target/offsets must be finite"),
    ],
)
def test_fields_that_cannot_be(change: Callable[[Record], Record], words: str, records: Path) -> None:
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
        ("image/window", ints(60, 0, 16, 16)),
        ("image/window", ints(-1, 0, 16, 16)),
        ("image/window", ints(0, 0, -16, 16)),
        ("image/window", ints(0, 0, 0, 0)),
        ("image/window", ints(0, 0, 16)),
        ("image/window", ints(2**62, 2**62, 2**62, 2**62)),
        ("image/window", ints(0, 0, 2**63 - 1, 1)),
        ("image/window", [b"window"]),
        ("image/height", ints(10**6)),
        ("image/width", ints(10**6)),
        ("image/height", ints(0)),
        ("image/height", ints()),
        ("image/encoded", [b"another size"]),
        ("image/encoded", []),
        ("image/format", [b"\xff"]),
        ("image/format", [b"png"]),
        ("image/key", [b"train/\xff/0"]),
        ("image/source_id", [b"\xc0"]),
        ("image/source_id", ints(1)),
        ("image/object/class/label", ints()),
        ("image/object/bbox/ymin", np.zeros(7, np.float32)),
        ("image/object/bbox/xmax", np.zeros(0, np.float32)),
        ("target/anchor", ints(10**9)),
        ("target/anchor", ints(-1)),
        ("target/anchor", ints(2**63 - 1)),
        ("target/class", ints()),
        ("target/class", ints(0)),
        ("target/offsets", np.zeros(3, np.float32)),
        ("target/ignored", ints(10**9)),
        ("target/ignored", np.zeros(1, np.float32)),
    ],
)
def test_features_that_cannot_be(name: str, value: Value, records: Path) -> None:
    shard = forge_bytes(records, feature(name, value))
    found = findings(records)
    assert found and all(f.startswith(f"{shard}: record 1") for f in found)
    assert any(name.rpartition("/")[0].removesuffix("/class") in f for f in found)


IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from tests.beam_jobs.record_job import findings
resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)
print(*findings(Path(sys.argv[1])), sep="\\n")
"""


def test_a_record_of_100_000_boxes(records: Path) -> None:
    def full(record: Record) -> Record:
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (100_000, 1))
        return replace(record, boxes=boxes, labels=np.full(100_000, record.labels[0]))

    name = forge(records, second(full))
    (line,) = output(run_python("-c", IN_LITTLE_MEMORY, str(records))).splitlines()
    assert line.startswith(f"{name}: record 1 (train/") and "few enough to be matched" in line


def test_records_out_of_order_twice_or_in_the_wrong_shard(records: Path) -> None:
    name = forge(records, lambda r: [r[1], r[0], *r[2:]])
    assert any(f.startswith(f"{name}: record 1") and "must come after" in f for f in findings(records))
    forge(records, lambda r: [r[1], r[1], *r[2:]])
    assert any("only once" in f for f in findings(records))
    forge(records, second(lambda r: replace(r, key="train/0001/77", source_id="0001")))
    assert any("by its hash, got shard 0" in f or "must come after" in f for f in findings(records))


def test_a_record_too_few(records: Path) -> None:
    name = forge(records, lambda r: r[:-1])
    examples = load_manifest(str(records)).shards["train"][0].examples
    assert f"{name}: must hold {examples} records, got {examples - 1}" in findings(records)


def test_the_sample_is_about_as_large_as_asked(made: Path) -> None:
    checks = shard_checks(load_manifest(str(made)), 10)
    assert {check.split: check.share for check in checks}["train"] < 0.3
    assert all(check.share == 1.0 for check in shard_checks(load_manifest(str(made)), None))
