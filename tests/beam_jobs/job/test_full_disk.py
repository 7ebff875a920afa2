"""A full disk gives one line that says so, and nothing that looks whole."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from beam_jobs.job import storage
from pipeline.errors import UserError
from tests.beam_jobs.record_job import checksums, make_records, make_set, receipts
from tests.commands import complaint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, if this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("mode", ["in_memory", pytest.param("multi_processing", marks=pytest.mark.long)])
def test_a_small_disk(mode: str, small_disk: Path) -> None:
    records = small_disk / "records"
    line = complaint(make_records(f"--records={records}", "--limit=40", "--workers=2", f"--running_mode={mode}"))
    assert line.startswith(f"cannot write {records}") and "no space left; free some space" in line
    assert not (records / "manifest.json").exists() and len(receipts(records)) < 12
    assert not list(records.glob(".*"))


class Full:
    """A file that takes only so many bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.mark.parametrize("kind", ["tfrecord", "json", "manifest.json"])
def test_no_room_for_a_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, fsync = storage.create, os.fsync

    def is_it(path: str) -> bool:
        name = Path(path).name.rpartition(".")[0]
        return name == kind or name.endswith(f"-of-00002.{kind}")

    def small(path: str) -> object:
        return Full(create(path), 100) if is_it(path) else create(path)

    def full(handle: int) -> None:
        if is_it(os.readlink(f"/proc/self/fd/{handle}")):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(storage, "create", small)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=rf"cannot write {tmp_path}.*: no space left"):
        make_set(tmp_path)
    assert not (tmp_path / "manifest.json").exists() and not list(tmp_path.glob(".*"))
    monkeypatch.undo()
    make_set(tmp_path)
    expected = tmp_path / "expected"
    make_set(expected)
    assert checksums(expected).items() <= checksums(tmp_path).items()
