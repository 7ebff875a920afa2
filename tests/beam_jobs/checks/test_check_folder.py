"""The check of a record folder finds files that are missing, altered, foreign, or no files at all."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from beam_jobs.job.receipt import parse_receipt
from tests.beam_jobs.record_job import checksums, findings


def test_missing_files(records: Path) -> None:
    for name in checksums(records):
        kept = (records / name).read_bytes()
        (records / name).unlink()
        assert any(Path(name).name in f and "cannot be read: No such file" in f for f in findings(records)), name
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
    assert findings(records) == [
        "manifest.json: statistics of test must be the sum of its receipts' statistics, got others"
    ]
    path.write_bytes(replace(receipt, fingerprint="0" * 16).to_json())
    assert any("must be the receipt of the manifest's" in f for f in findings(records))


def test_whitespace_in_the_manifest_is_found_too(records: Path) -> None:
    path = records / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert any("other bytes of the same meaning" in f for f in findings(records))


def test_fifos_and_devices(records: Path) -> None:
    for name in checksums(records):
        kept = (records / name).read_bytes()
        for make in (os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero")):
            (records / name).unlink()
            make(records / name)
            assert any(Path(name).name in f and "must be a regular file" in f for f in findings(records)), name
        (records / name).unlink()
        (records / name).write_bytes(kept)
    assert findings(records) == []
