"""`verify` finds what was altered, and names shard, record and key."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.checks.check_shard import shard_checks
from beam_jobs.job.receipt import parse_receipt
from pipeline.records.manifest import Shard, load_manifest
from pipeline.records.record import Record, decode_record, encode_record
from pipeline.records.tfrecord import frame, read_frames
from pipeline.views.collage import Rectangle
from tests.beam_jobs.record_job import PATIENCE, PROJECT, checksums, findings, make_set


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set; tests work on copies."""
    records = tmp_path_factory.mktemp("made")
    make_set(records)
    return records


@pytest.fixture
def records(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "records"))


def verify(records: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "beam_jobs.verify", f"--records={records}", *flags]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE)


def forge(records: Path, alter: Callable[[list[Record]], list[Record]]) -> str:
    """Alters the records of the first shard, and every checksum with them. -> its name."""
    manifest = load_manifest(str(records))
    old = manifest.shards["train"][0]
    with (records / old.name).open("rb") as file:
        before = [decode_record(data) for data in read_frames(file, old.bytes)]
    after = alter(before)
    data = b"".join(frame(encode_record(record)) for record in after)
    (records / old.name).write_bytes(data)
    new = Shard(old.name, len(after), len(data), hashlib.sha256(data).hexdigest())
    shards = {**manifest.shards, "train": (new, *manifest.shards["train"][1:])}
    (records / "manifest.json").write_text(replace(manifest, shards=shards).to_json())
    path = records / "receipts" / old.name.replace(".tfrecord", ".json")
    receipt = parse_receipt(path.read_bytes())
    assert receipt is not None
    path.write_bytes(replace(receipt, shard=new).to_json())
    return old.name


def second(change: Callable[[Record], Record]) -> Callable[[list[Record]], list[Record]]:
    """Changes the record of index 1."""
    return lambda records: [records[0], change(records[1]), *records[2:]]


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


def test_a_set_that_holds(records: Path) -> None:
    before = checksums(records)
    assert findings(records) == []
    done = verify(records, "--full")
    assert done.returncode == 0, done.stderr
    assert "records read" in done.stdout and f"{records} holds: nothing found" in done.stdout
    assert checksums(records) == before


def test_findings_are_printed_and_end_the_command_with_one_line(records: Path) -> None:
    name = forge(records, second(shifted_box))
    done = verify(records, "--sample=100000", "--workers=1")
    assert done.returncode == 1
    assert f"wrong: {name}: record 1 (train/" in done.stdout
    assert "error: " in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("change", [shifted_box, other_offsets, one_anchor_less, other_classes, nothing_ignored])
def test_targets_that_a_fresh_matching_does_not_give(change: Callable[[Record], Record], records: Path) -> None:
    name = forge(records, second(change))
    found = findings(records)
    assert found and all(f.startswith(f"{name}: record 1 (train/") for f in found)
    assert any("by a fresh matching" in f for f in found)


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
    assert any("and once" in f for f in findings(records))
    forge(records, second(lambda r: replace(r, key="train/0001/77", source_id="0001")))
    assert any("by its hash, got shard 0" in f or "must come after" in f for f in findings(records))


def test_a_record_too_few(records: Path) -> None:
    name = forge(records, lambda r: r[:-1])
    manifest = load_manifest(str(records))
    first = manifest.shards["train"][0]
    shards = {**manifest.shards, "train": (replace(first, examples=first.examples + 1), *manifest.shards["train"][1:])}
    (records / "manifest.json").write_text(replace(manifest, shards=shards).to_json())
    assert f"{name}: must hold {first.examples + 1} records, got {first.examples}" in findings(records)


def test_missing_files(records: Path) -> None:
    for name in checksums(records):
        kept = (records / name).read_bytes()
        (records / name).unlink()
        assert any(Path(name).name in f and "must be there" in f for f in findings(records)), name
        (records / name).write_bytes(kept)
    assert findings(records) == []


def test_files_that_no_one_named(records: Path) -> None:
    for name in ("train-extra.tfrecord", ".attempt-1", "receipts/x.json"):
        (records / name).write_bytes(b"")
        assert any(Path(name).name in f and "must not be there" in f for f in findings(records)), name
        (records / name).unlink()
    (records / "folder").mkdir()
    assert len(findings(records)) == 1


def test_receipts_that_say_other_things_than_the_manifest(records: Path) -> None:
    path = sorted(records.glob("receipts/*.json"))[0]
    receipt = parse_receipt(path.read_bytes())
    assert receipt is not None
    path.write_bytes(replace(receipt, statistics={**receipt.statistics, "boxes": 7}).to_json())
    assert findings(records) == ["manifest.json: statistics of test must be the sum of its receipts', got others"]
    path.write_bytes(replace(receipt, fingerprint="0" * 16).to_json())
    assert any("must be the receipt of" in f for f in findings(records))


def test_whitespace_in_the_manifest_is_found_too(records: Path) -> None:
    path = records / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert any("other bytes of the same meaning" in f for f in findings(records))


def test_no_set_at_all(tmp_path: Path) -> None:
    done = verify(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path}/manifest.json must be there, got No such file")


def test_the_sample_is_about_as_large_as_asked(made: Path) -> None:
    checks = shard_checks(load_manifest(str(made)), 10)
    assert {check.split: check.share for check in checks}["train"] < 0.3
    assert all(check.share == 1.0 for check in shard_checks(load_manifest(str(made)), None))
