"""Files: whole or not at all, regular ones only, one lock at a time, one cache folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import files


def test_a_file_is_written_whole_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "it"
    for data in (b"first", b"second"):
        files.write_whole(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["it"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it"
    files.write_whole(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        files.write_whole(path, b"new")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["it"]


def test_a_file_that_cannot_be_begun_is_named(tmp_path: Path) -> None:
    """The error named a temporary file, of which the user knows nothing."""
    for folder in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(OSError) as raised:
            files.write_whole(folder / "it", b"new")
        assert raised.value.filename == str(folder / "it")


def test_a_part_that_is_there_already_belongs_to_somebody(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        files.write_whole(tmp_path / "it", b"ours", part=part)
    assert part.read_bytes() == b"theirs" and not (tmp_path / "it").exists()


def test_only_abandoned_parts_are_removed(tmp_path: Path) -> None:
    long_ago = time.time() - files.ABANDONED_SECONDS - 60
    for name in ("it.part-old", "it.part-grows", "other.part-old"):
        (tmp_path / name / "in").mkdir(parents=True)
        (tmp_path / name / "in" / "file").touch()
    for name in ("it.part-file", "it.part-new", "it"):
        (tmp_path / name).touch()
    (tmp_path / "it.part-link").symlink_to(tmp_path / "other.part-old")
    for path in [*tmp_path.rglob("*")]:
        if path.name != "it.part-new" and path != tmp_path / "it.part-grows" / "in" / "file":
            os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    files.remove_abandoned(tmp_path, "it.part-*")
    assert sorted(os.listdir(tmp_path)) == ["it", "it.part-grows", "it.part-link", "it.part-new", "other.part-old"]
    assert (tmp_path / "other.part-old" / "in" / "file").exists()


def test_a_part_that_cannot_be_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files, "ABANDONED_SECONDS", -60)
    monkeypatch.setattr(Path, "unlink", refuse)
    (tmp_path / "theirs.part").touch()
    files.remove_abandoned(tmp_path, "*.part")
    files.remove_abandoned(tmp_path / "nowhere", "*.part")
    assert os.listdir(tmp_path) == ["theirs.part"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"x" * 3_000_000)
    assert files.hash_file(tmp_path / "it") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_only_regular_files_are_opened(kind: str, tmp_path: Path) -> None:
    path = Path(os.devnull) if kind == "device" else tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(OSError, match=f"{path} must be a regular file, got a"):
        files.read_regular(path)


def test_a_lock_belongs_to_one_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = "import sys; from pathlib import Path; from pipeline.files import lock_file; lock_file(Path(sys.argv[1])); "
    command = [sys.executable, "-c", code + "print('held', flush=True); input()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert files.lock_file(path) is None
        other.kill()
        other.wait()
    handle = files.lock_file(path)
    assert handle is not None
    os.close(handle)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREMATCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(OSError, match="no home folder; set PREMATCH_CACHE"):
        files.cache_folder()
    monkeypatch.setenv("HOME", "/home/somebody")
    assert files.cache_folder() == Path("/home/somebody/.cache/prematch")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert files.cache_folder() == Path("/cache/prematch")
    monkeypatch.setenv("PREMATCH_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
