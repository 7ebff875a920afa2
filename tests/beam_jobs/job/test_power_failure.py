"""What is on the disk when the power fails: never a receipt or a manifest without what it vouches for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.beam_jobs.record_job import make_set


def test_files_and_names_are_on_the_disk_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing gets a final name before its bytes are there, or before earlier names are."""
    done: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(("sync", Path(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def renamed(source: str | Path, target: str | Path) -> None:
        assert done[-1] == ("sync", Path(source))
        done.append(("name", Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    make_set(tmp_path)
    names = [path for what, path in done if what == "name"]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(names)
    assert names[-1] == tmp_path / "manifest.json"
    for shard in tmp_path.glob("*.tfrecord"):
        assert names.index(shard) < names.index(tmp_path / "receipts" / f"{shard.stem}.json")
    for place, (what, path) in enumerate(done):
        assert what == "sync" or done[place + 1] == ("sync", path.parent)
