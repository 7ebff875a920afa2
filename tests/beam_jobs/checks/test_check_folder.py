"""The check of a record folder finds files that are missing, altered, foreign, or no files at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from beam_jobs.job.receipt import Receipt
from beam_jobs.job.record_folder import own_folder
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.forged_set import forge_receipt
from tests.beam_jobs.record_job import checksums, findings
from tests.commands import complaint, run_module


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


def test_what_a_stopped_job_has_left_is_no_fault(records: Path) -> None:
    """A job that stops leaves an older complete set as it was, and its own finished shards beside it."""
    ours = load_manifest(str(records)).fingerprint
    left = [
        *("train-{}-00000-of-00009.tfrecord", "receipts/train-{}-00000-of-00009.json", "rejected-{}.jsonl"),
    ]
    for name in left:
        (records / name.format("0" * 16)).write_bytes(b"")
    assert findings(records) == []
    done = run_module("beam_jobs.verify", f"--records={records}")
    assert done.returncode == 0 and "not checked: 3 files of a job that has not finished or was refused" in done.stdout
    for name in left:
        (records / name.format(ours)).write_bytes(b"")
    found = sorted(finding.partition(":")[0] for finding in findings(records))
    assert found == [f"train-{ours}-00000-of-00009.{ending}" for ending in ("json", "tfrecord")]


def test_the_lock_and_the_own_folder_of_a_job_are_no_faults(records: Path) -> None:
    """The advice was to delete them: a job that makes damaged shards again would have failed."""
    with own_folder(str(records), load_manifest(str(records)).fingerprint) as folder:
        Path(folder.temporary("train.tfrecord")).write_bytes(b"half a shard")
        assert {path.name for path in records.glob(".*")} == {".lock", folder.attempt}
        assert findings(records) == []
        done = run_module("beam_jobs.verify", f"--records={records}", "--sample=0")
        assert (
            done.returncode == 0 and "not checked: 2 files of a job that has not finished or was refused" in done.stdout
        )
    (records / ".attempt-0123456789ab").mkdir()  # killed at once
    assert findings(records) == []
    (records / ".attempt-0123456789ab/mine").touch()
    (records / "receipts/.lock").touch()
    (records / ".lock").mkdir()
    assert sorted(f.partition(":")[0] for f in findings(records)) == [".attempt-0123456789ab", ".lock", ".lock"]


def with_more(receipt: Receipt, field: str, more: int) -> Receipt:
    """Adds to a number of its statistics."""
    said = receipt.statistics
    return replace(receipt, statistics=replace(said, **{field: getattr(said, field) + more}))


def test_receipts_that_say_other_things_than_the_manifest(records: Path) -> None:
    said = forge_receipt(records, lambda receipt: with_more(receipt, "ignored", 1))
    only_sums, all_again = findings(records, sample=0), findings(records)
    assert only_sums == ["manifest.json: statistics of train are not the sum of its receipts'"]
    assert all_again[:-1] == only_sums
    counts = [{"ignored": said.statistics.ignored + more} for more in (0, 1)]
    assert all_again[-1].endswith(f"statistics in its receipt must be {counts[0]} by its records, got {counts[1]}")
    forge_receipt(records, lambda receipt: replace(receipt, fingerprint="0" * 16))
    assert any("is not the receipt of" in f for f in findings(records))


@pytest.mark.parametrize("field", ["least_height", "least_width", "most_height", "most_width", "most_positives"])
def test_a_receipt_whose_least_or_most_is_not_that_of_its_records(field: str, records: Path) -> None:
    """Such a number may leave the sums of the receipts as they are, so that only the records can tell."""
    step = 1 if field.startswith("least") else -1
    said = forge_receipt(records, lambda receipt: with_more(receipt, field, step))
    (found,) = (f for f in findings(records) if f.startswith(said.shards[0].name))
    expected = {field: getattr(said.statistics, field)}
    assert f"statistics in its receipt must be {expected} by its records" in found


@pytest.mark.parametrize(
    "alter",
    [
        lambda begins: ((begins[0][0] + 1, *begins[0][1:]),),
        lambda begins: (begins[0][:-1],),
        lambda begins: (begins[0][::-1],),
        lambda begins: (),
    ],
)
def test_a_receipt_that_says_wrongly_where_records_begin(
    alter: Callable[[tuple[tuple[int, ...], ...]], tuple[tuple[int, ...], ...]], records: Path
) -> None:
    said = forge_receipt(records, lambda receipt: replace(receipt, begins=alter(receipt.begins)))
    assert findings(records, sample=0) == [f"{said.shards[0].name}: its records begin elsewhere than its receipt says"]


@pytest.mark.parametrize("name", ["images", "boxes", "images_seen", "boxes_seen"])
def test_other_counts_of_what_was_rejected(records: Path, name: str) -> None:
    manifest = load_manifest(str(records))
    counts = replace(manifest.rejected, **{name: getattr(manifest.rejected, name) + 1})
    (records / "manifest.json").write_text(replace(manifest, rejected=counts).to_json())
    assert findings(records) == [
        f"manifest.json: what was rejected must be {manifest.rejected} according to the receipts, got {counts}"
    ]


def test_whitespace_in_the_manifest_is_found_too(records: Path) -> None:
    path = records / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert any("not written as the job writes them" in f for f in findings(records))


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


def test_names_that_a_terminal_would_obey(records: Path) -> None:
    for name in ("\x1b[2J", os.fsdecode(b"\xff"), "a\nb"):
        (records / name).touch()
    done = run_module("beam_jobs.verify", f"--records={records}", "--workers=1")
    assert complaint(done).startswith(f"{records} has 3 findings")
    assert all(f"wrong: {escaped}: must not be there" in done.stdout for escaped in ("\\x1b[2J", "\\udcff", "a\\nb"))
    assert "\x1b" not in done.stdout
