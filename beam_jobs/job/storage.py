"""Files of a record set, on local disks and on any of Beam's file systems.

On a local disk a file's folder must exist. Beam's own `create` would make it again, and an attempt that outlives its
job must not bring its folder back.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.sources.image_files import BYTES, is_local, open_file
from pipeline import files
from pipeline.errors import UserError, find_disk_error

_EXTRAS = {"gs": "gcp", "s3": "aws"}  # of setup.py, by scheme


def join(folder: str, *names: str) -> str:
    """A path below a folder, in the form of its file system."""
    return os.path.join(folder, *names) if is_local(folder) else FileSystems.join(folder, *names)


def check_file_system(path: str) -> None:
    """Raises `UserError` if no file system of Beam's that is installed here can reach the path."""
    if is_local(path):
        return
    scheme = path.partition("://")[0]
    try:
        FileSystems.get_filesystem(path)
        missing = scheme == "s3" and importlib.util.find_spec("boto3") is None  # Beam would notice at the first file
    except ValueError:
        missing = True
    if missing:
        extra = _EXTRAS.get(scheme)
        install = f"install the extra `{extra}` ({sys.executable} -m pip install -e '.[{extra}]')"
        way_out = install if extra else "choose another folder"
        raise UserError(f"Beam cannot reach {path}: no file system for {scheme}:// is installed; {way_out}")


def make_folder(path: str) -> None:
    """Makes a local folder and its parents; object stores need none."""
    if is_local(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def create(path: str) -> BinaryIO:
    """Opens a new file for writing bytes. Its folder must exist, where the file system has folders."""
    if is_local(path):
        return open(path, "xb")
    return FileSystems.create(path, BYTES, CompressionTypes.UNCOMPRESSED)


def read_bytes(path: str, *, limit: int | None = None) -> bytes | None:
    """The content of a file; None if there is no regular file of that name, or one of more than `limit` bytes."""
    if is_local(path) and not os.path.isfile(path):
        return None
    try:
        with open_file(path) as file:
            data = file.read() if limit is None else file.read(limit + 1)
            return data if limit is None or len(data) <= limit else None
    except FileNotFoundError:
        return None
    except Exception:  # object stores raise errors of their own for a missing file
        if is_local(path) or FileSystems.exists(path):
            raise
        return None


def size(path: str) -> int | None:
    """The size of a file in bytes; None if there is no regular file of that name."""
    if is_local(path):
        return os.path.getsize(path) if os.path.isfile(path) else None
    return int(FileSystems.match([path])[0].metadata_list[0].size_in_bytes) if FileSystems.exists(path) else None


def flush(file: BinaryIO, path: str) -> None:
    """Waits until what was written to a local file is on the disk; object stores keep a file that is closed."""
    if is_local(path):
        file.flush()
        os.fsync(file.fileno())


def rename(source: str, target: str) -> None:
    """Gives a file its final name; on a local disk in one step, replacing any file of that name.

    A local name is on the disk at the end: after a power failure, a file that was written later comes with this one.
    """
    if is_local(source):
        os.replace(source, target)
        files.sync(Path(target).parent)
    else:
        FileSystems.rename([source], [target])


def write_whole(path: str, data: bytes, temporary: str) -> None:
    """Writes a file under a temporary name, then gives it its own: it is there whole or not at all.

    Raises `UserError` if the disk is full or read-only.
    """
    try:
        if is_local(path):
            files.write_whole(Path(path), data, part=Path(temporary))
        else:
            with create(temporary) as file:
                file.write(data)
            rename(temporary, path)
    except OSError as error:
        error.filename = error.filename or path  # a failed write does not name its file
        raise find_disk_error(error) or error from None


def names(folder: str) -> list[str]:
    """Names of the files and folders in a folder, sorted; in an object store, the first parts of the names in it."""
    if is_local(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    prefix = join(folder, "")
    found = FileSystems.match([join(folder, "**")])[0].metadata_list
    return sorted({m.path.removeprefix(prefix).split("/")[0] for m in found})


def delete(path: str) -> None:
    """Deletes a file, or a folder with everything in it, if it is there."""
    if not is_local(path):
        found = [m.path for result in FileSystems.match([path, join(path, "**")]) for m in result.metadata_list]
        if found:
            FileSystems.delete(found)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
