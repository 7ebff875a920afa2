"""A second run keeps what is whole, makes the rest again, and replaces an old set only as a whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from beam_jobs.job.attempt import OWNER
from beam_jobs.job.record_folder import RecordFolder, own_folder
from beam_jobs.sources.source import SourceBox
from pipeline.errors import UserError
from pipeline.records.manifest import Manifest, load_manifest
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import DIGITS, IMAGES, checksums, findings, make_records, make_set, receipts
from tests.commands import output

SHARDS = 7  # of the small set


def first_shard(records: Path) -> Path:
    return sorted(records.glob("train-*.tfrecord"))[0]


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_nothing_to_do(records: Path) -> None:
    before = checksums(records)
    assert make_set(records).kept == SHARDS
    assert checksums(records) == before


@pytest.mark.long
def test_the_command_says_what_it_kept(tmp_path: Path) -> None:
    flags = [f"--records={tmp_path}", "--limit=4", "--running_mode=in_memory"]
    assert "kept" not in output(make_records(*flags))
    before = checksums(tmp_path)
    assert "12 of 12 shards were already complete and are kept" in output(make_records(*flags))
    assert checksums(tmp_path) == before


def damage_shard(records: Path) -> None:
    flip_a_bit(first_shard(records))


def truncate_shard(records: Path) -> None:
    first_shard(records).write_bytes(first_shard(records).read_bytes()[:-1])


def lose_shard(records: Path) -> None:
    first_shard(records).unlink()


def damage_receipt(records: Path) -> None:
    flip_a_bit(receipts(records)[0])


def lose_receipt(records: Path) -> None:
    receipts(records)[0].unlink()


def empty_receipt(records: Path) -> None:
    receipts(records)[0].write_bytes(b"")


def foreign_receipt(records: Path) -> None:
    values = json.loads(receipts(records)[0].read_text())
    values["shards"][0]["examples"] = 1
    receipts(records)[0].write_text(json.dumps(values))


@pytest.mark.parametrize(
    "damage",
    [damage_shard, truncate_shard, lose_shard, damage_receipt, lose_receipt, empty_receipt, foreign_receipt],
)
def test_what_is_damaged_is_made_again(damage: Callable[[Path], None], records: Path, made: Path) -> None:
    damage(records)
    assert checksums(records) != checksums(made)
    assert make_set(records).kept == SHARDS - 1
    assert checksums(records) == checksums(made)


def test_a_lost_manifest_costs_no_shard(records: Path, made: Path) -> None:
    (records / "manifest.json").unlink()
    assert make_set(records).kept == SHARDS
    assert checksums(records) == checksums(made)


def test_the_old_set_is_whole_until_the_new_manifest_is_there(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = load_manifest(str(records))
    old_files = checksums(records)

    def look(folder: RecordFolder, manifest: Manifest) -> None:
        assert load_manifest(str(records)) == old
        assert old_files.items() <= checksums(records).items()
        write_manifest(folder, manifest)

    write_manifest = RecordFolder.write_manifest
    monkeypatch.setattr(RecordFolder, "write_manifest", look)
    assert make_set(records, replace(DIGITS, seed=1)).kept == 0
    new = load_manifest(str(records))
    named = {shard.name for shard in new.all_shards()}
    assert new.fingerprint != old.fingerprint
    assert {path.name for path in records.iterdir()} == {*named, "manifest.json", "rejected.jsonl", "receipts"}
    assert len(receipts(records)) == SHARDS and all(new.fingerprint in path.name for path in receipts(records))


@pytest.mark.parametrize("same", [True, False])
def test_a_job_that_may_reject_less_leaves_the_set_whole(same: bool, tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 2, split="test")
    source.listed[0] = source.listed[0]._replace(boxes=(SourceBox(3, 3, 3, 9, "square"),))
    records = tmp_path / "records"
    with pytest.raises(UserError, match=r"no manifest\.json was written$"):
        make_set(records, IMAGES, source=source)
    make_set(records, IMAGES, source=source, max_rejected=0.5)
    before = checksums(records)
    config = IMAGES if same else replace(IMAGES, seed=1)
    with pytest.raises(UserError, match=r"see \S+/rejected-\w{16}\.jsonl; .*; the complete set there is unchanged$"):
        make_set(records, config, source=source)
    assert before.items() <= checksums(records).items()
    assert findings(records) == []
    make_set(records, config, source=source, max_rejected=0.5)
    assert not list(records.glob("rejected-*"))


def test_files_of_others_stay(records: Path) -> None:
    (records / "notes.txt").write_text("mine")
    (records / "train.tfrecord").write_text("mine too")
    make_set(records, replace(DIGITS, seed=1))
    assert (records / "notes.txt").read_text() == "mine" and (records / "train.tfrecord").exists()


def test_fifos_and_folders_in_the_record_folder(records: Path) -> None:
    files = [*sorted(records.glob("test-*.tfrecord"))[:1], *sorted(records.glob("receipts/*.json"))[-1:]]
    files += [records / "manifest.json", records / "rejected.jsonl"]
    whole = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
        os.mkfifo(path)
    assert make_set(records).kept == 5  # of 7 shards
    assert [path.read_bytes() for path in files] == whole
    files[0].unlink()
    files[0].mkdir()
    with pytest.raises(UserError, match=f"^{files[0]} is a folder, where a file must be written; move it away$"):
        make_set(records)


def test_what_a_dead_job_left_is_swept_away(records: Path, made: Path) -> None:
    left = records / ".attempt-0123456789ab"
    left.mkdir()
    (left / OWNER).write_text(json.dumps({"pid": 1, "fingerprint": "0" * 16}))
    (left / "train-x.tfrecord.1").write_bytes(b"half a shard")
    (records / ".lock").write_bytes(b"")
    make_set(records)
    assert checksums(records) == checksums(made)
    assert not left.exists()


def test_only_folders_of_jobs_are_swept_away(records: Path) -> None:
    job = {"pid": 1, "fingerprint": "0" * 16}
    owners = {
        ".attempt-mine": json.dumps(job),  # no name that a job gives
        ".attempt-000000000001": "mine",
        ".attempt-000000000002": json.dumps({"name": "mine"}),
        ".attempt-000000000003": "[" * 100_000,
        ".attempt-000000000004": None,  # the file is somebody's, without an owner
    }
    for name, owner in owners.items():
        (records / name).mkdir()
        (records / name / "data").write_text("mine")
        if owner is not None:
            (records / name / OWNER).write_text(owner)
    os.mkfifo(records / ".attempt-000000000005")
    (records / ".attempt-000000000006").symlink_to(records / ".attempt-mine")
    for number, owner in ((7, None), (8, ""), (9, json.dumps(job))):  # of jobs killed as they began
        begun = records / f".attempt-00000000000{number}"
        begun.mkdir()
        if owner is not None:
            (begun / OWNER).write_text(owner)
    half_deleted = records / ".attempt-00000000000a-01234567"
    half_deleted.mkdir()
    (half_deleted / OWNER).write_text(json.dumps(job))
    make_set(records)
    left = {path.name for path in records.glob(".attempt-*")}
    assert left == {*owners, ".attempt-000000000005", ".attempt-000000000006"}
    assert all((records / name / "data").read_text() == "mine" for name in owners)


def test_an_attempt_that_outlived_its_job_commits_nothing(records: Path, made: Path) -> None:
    name = first_shard(records).name
    with own_folder(str(records), load_manifest(str(records)).fingerprint) as dead:
        temporary = dead.temporary(name)
        Path(temporary).write_bytes(b"from the past")
        shutil.copytree(records / dead.attempt, made.parent / "kept")  # as if the job was killed here
    shutil.move(str(made.parent / "kept"), records / dead.attempt)
    with own_folder(str(records), dead.fingerprint) as alive:
        assert alive.is_current() and not dead.is_current()
        with pytest.raises(UserError, match="this attempt outlived its job"):
            dead.commit(temporary, name)
        with pytest.raises(OSError):
            dead.write_receipt(alive.receipt(name))  # type: ignore[arg-type]
    assert checksums(records) == checksums(made)


def test_an_attempt_that_ends_between_look_and_rename_commits_nothing(
    records: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_folder(str(records), "0" * 16) as dead:
        temporary = dead.temporary("x")
        Path(temporary).write_bytes(b"from the past")
    monkeypatch.setattr(RecordFolder, "is_current", lambda self: True)
    with pytest.raises(OSError):
        dead.commit(temporary, first_shard(records).name)
    assert checksums(records) == checksums(made)


def test_the_owner_says_who_it_is(tmp_path: Path) -> None:
    with own_folder(str(tmp_path), "f" * 16) as folder:
        owner = json.loads((tmp_path / folder.attempt / OWNER).read_text())
        assert owner["fingerprint"] == "f" * 16
    assert not list(tmp_path.iterdir())  # not even an empty folder of receipts
