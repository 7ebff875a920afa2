"""Files of a record set, through Beam's file systems: a folder may be local or in an object store.

On local disks a file is written in a folder that must exist: Beam's own `create` would make it anew, and an attempt
that outlives its job must not bring its folder back.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline import files
from pipeline.errors import UserError, disk_error

BYTES = "application/octet-stream"
_EXTRAS = {"gs": "gcp", "s3": "aws"}  # of setup.py, by scheme


def is_local(path: str) -> bool:
    """Whether a path is on a local (or mounted) disk."""
    return "://" not in path


def join(folder: str, *names: str) -> str:
    """A path below a folder, in its file system's form."""
    return os.path.join(folder, *names) if is_local(folder) else FileSystems.join(folder, *names)


def check_file_system(path: str) -> None:
    """Raises `UserError` for a path of a file system that Beam does not know here."""
    if is_local(path):
        return
    try:
        FileSystems.get_filesystem(path)
    except ValueError:
        scheme = path.partition("://")[0]
        extra = _EXTRAS.get(scheme)
        way_out = f"install the extra `{extra}` (pip install '.[{extra}]')" if extra else "choose another folder"
        raise UserError(f"{path} must be in a file system that Beam can reach, got {scheme}:// without its package; "
                        f"{way_out}") from None  # fmt: skip


def make_folder(path: str) -> None:
    """Makes a local folder with its parents; object stores need none."""
    if is_local(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def create(path: str) -> BinaryIO:
    """A new file, open for writing bytes. Its folder must exist where the file system has folders."""
    if is_local(path):
        return open(path, "xb")
    return FileSystems.create(path, BYTES, CompressionTypes.UNCOMPRESSED)


def open_file(path: str) -> BinaryIO:
    """A file, open for reading bytes."""
    if is_local(path):
        return open(path, "rb")
    return FileSystems.open(path, BYTES, CompressionTypes.UNCOMPRESSED)


def read_bytes(path: str) -> bytes | None:
    """The content of a file, None if there is none."""
    try:
        with open_file(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except BeamIOError:
        if FileSystems.exists(path):
            raise
        return None


def size(path: str) -> int | None:
    """The size of a file in bytes, None if there is none."""
    if is_local(path):
        return os.path.getsize(path) if os.path.isfile(path) else None
    return int(FileSystems.match([path])[0].metadata_list[0].size_in_bytes) if FileSystems.exists(path) else None


def rename(source: str, target: str) -> None:
    """Gives a file its final name; on a local disk in one step, over any file of that name."""
    if is_local(source):
        os.replace(source, target)
    else:
        FileSystems.rename([source], [target])


def write_whole(path: str, data: bytes, temporary: str) -> None:
    """Writes a file under a temporary name, then gives it its own: whole, or not there.

    Raises `UserError` for a full or read-only disk.
    """
    try:
        if is_local(path):
            files.write_whole(Path(path), data, part=Path(temporary))
        else:
            with create(temporary) as file:
                file.write(data)
            rename(temporary, path)
    except OSError as error:
        error.filename = error.filename or path  # a failed write does not say where it was
        raise disk_error(error) or error from None


def names(folder: str) -> list[str]:
    """Names of the files and folders in a folder, sorted; in an object store, of the first level of names."""
    if is_local(folder):
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    prefix = join(folder, "")
    found = FileSystems.match([join(folder, "**")])[0].metadata_list
    return sorted({m.path.removeprefix(prefix).split("/")[0] for m in found})


def delete(path: str) -> None:
    """Deletes a file, or a folder with all that it holds; nothing if there is none.

    A local folder is first renamed, so that whoever still writes by its old name fails at once.
    """
    if is_local(path):
        if os.path.isdir(path):
            gone = f"{path}-{uuid.uuid4().hex[:8]}"
            os.rename(path, gone)
            shutil.rmtree(gone)
        elif os.path.lexists(path):
            os.unlink(path)
        return
    found = [m.path for result in FileSystems.match([path, join(path, "**")]) for m in result.metadata_list]
    if found:
        FileSystems.delete(found)
