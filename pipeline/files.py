"""Local files: written whole or not at all, hashed, locked; the folder of downloads, and what was abandoned in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time
import uuid
from pathlib import Path
from typing import BinaryIO

ABANDONED_SECONDS = 3600  # a part that has not grown for so long belongs to a process that was killed
_BLOCK = 1 << 20


def write_whole(path: Path, data: bytes, *, part: Path | None = None) -> None:
    """Writes a file so that, whenever the machine stops, it is there whole or not at all.

    The bytes go to a temporary file, which is flushed to the disk and then renamed.

    Args:
        path: the file. An existing one is replaced.
        data: its bytes.
        part: the temporary file, which must not exist yet; default: a hidden one beside `path`.

    Raises `OSError` with the file's name, or `FileExistsError` with that of the temporary file.
    """
    part = part or path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync(path.parent)
    except FileExistsError:  # the part is somebody else's
        raise
    except OSError as error:
        with contextlib.suppress(OSError):  # there may be no part, for the same reason
            part.unlink()
        error.filename = str(path)  # not the part's name, or none
        raise


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Deletes the unfinished files and folders in a folder whose names match a pattern, if nobody writes them any more.

    One that cannot be deleted stays: it may be another user's, or another process deletes it.
    """
    for part in folder.glob(pattern):
        with contextlib.suppress(OSError):
            written = max(path.lstat().st_mtime for path in (part, *part.rglob("*")))
            if time.time() - written <= ABANDONED_SECONDS:
                continue
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk: a power failure can undo a rename before that."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a regular file for reading bytes. Raises `OSError` for anything else.

    Opening a FIFO would wait until somebody writes to it, and reading a device may never end.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = "a folder" if stat.S_ISDIR(mode) else "a FIFO, a socket or a device"
        raise OSError(f"{os.fspath(path)} must be a regular file, got {kind}")
    return os.fdopen(handle, "rb")


def read_regular(path: str | os.PathLike[str], *, limit: int | None = None) -> bytes:
    """The bytes of a regular file. Raises `OSError` like `open_regular`, and if there are more than `limit`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise OSError(f"{os.fspath(path)} must have at most {limit} bytes, got {size}")
        return file.read()


def hash_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a regular file, in hex. Raises `OSError` like `open_regular`."""
    with open_regular(path) as file:
        return hash_stream(file).hex()


def hash_stream(file: BinaryIO) -> bytes:
    """SHA-256 of all that is left to read in an open file."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def lock_file(path: Path) -> int | None:
    """Locks a file, which is created if need be. The kernel drops the lock when the process ends, however it ends.

    Returns:
        A file descriptor that holds the lock until it is closed, or None if another process holds it.
    """
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
        os.close(handle)  # the previous holder deleted the file between our open and our lock


def cache_folder() -> Path:
    """Where downloads are kept: $PREMATCH_CACHE, else `prematch` in $XDG_CACHE_HOME or ~/.cache.

    Raises `OSError` if neither is set and the user has no home folder.
    """
    if own := os.environ.get("PREMATCH_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "prematch"
    try:
        if os.environ.get("HOME") == "":  # Python would take it for /
            raise RuntimeError
        return Path.home() / ".cache" / "prematch"
    except RuntimeError:
        raise OSError(
            "this user has no home folder; set PREMATCH_CACHE to the folder where downloads shall go"
        ) from None
