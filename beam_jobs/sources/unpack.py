"""Unpacks named members of a tar archive, without trusting its names, its sizes or its links."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import tarfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import UserError, disk_error
from pipeline.files import open_regular, remove_abandoned

MAX_MEMBERS = 10_000
_BLOCK = 1 << 20


def unpack(archive: Path, folder: Path, *, members: dict[str, str], max_member: int, max_total: int) -> Path:
    """Writes the given members of a tar archive, and nothing else, to `folder` under names of our own.

    Args:
        archive: a .tar or .tar.gz.
        folder: appears whole, by rename; an older one is replaced.
        members: file name in the folder, by name in the archive.
        max_member: bytes that one of these members may have.
        max_total: bytes that the whole archive may have once it is decompressed.

    Raises `UserError`, and leaves nothing behind, if the archive is broken, too large, or lacks a member.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent, f"{folder.name}.part-*")
    part = folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex}")
    part.mkdir()  # not by `tempfile`: other users of the cache may read the folder
    try:
        missing = dict(members)
        with _decompressed(archive) as data:
            stream = _Limited(data, archive, max_total)
            with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
                for number, member in enumerate(tar):  # tarfile keeps all of them in memory
                    if number >= MAX_MEMBERS or member.size < 0:
                        raise tarfile.ReadError(f"more than {MAX_MEMBERS} members, or one of negative size")
                    stream.check(stream.tell() + member.size)
                    name = missing.pop(member.name.removeprefix("./"), None)
                    if name is not None:
                        _write_member(archive, tar, member, part / name, max_member)
            while stream.read(_BLOCK):  # to the end, where gzip keeps its checksum
                pass
        if missing:
            raise UserError(f"{archive} must hold {', '.join(sorted(missing))}, which it lacks")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # from the disk, not from a decoder
            raise disk_error(error) or error from None
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{archive} must be a whole tar archive, got a broken one: {reason}; delete it and try again"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_member(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, max_member: int) -> None:
    file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if file is None:
        raise UserError(f"{archive}: {member.name} must be a file, got a link or a folder")
    if member.size > max_member:
        raise UserError(f"{archive}: {member.name} must have at most {max_member} bytes, got {member.size}")
    with path.open("wb") as out:
        shutil.copyfileobj(file, out, _BLOCK)


@contextlib.contextmanager
def _decompressed(archive: Path) -> Iterator[IO[bytes]]:
    with open_regular(archive) as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if compressed:
            with gzip.GzipFile(fileobj=file) as data:
                yield data  # type: ignore[misc]
        else:
            yield file


class _Limited:
    """An archive's bytes as tarfile reads them; it would read a header of any length into memory."""

    def __init__(self, data: IO[bytes], archive: Path, limit: int) -> None:
        self._data, self._archive, self._limit = data, archive, limit

    def check(self, end: int) -> None:
        """Raises `UserError` if the archive reaches beyond its limit."""
        if end > self._limit:
            raise UserError(f"{self._archive} must unpack to at most {self._limit} bytes, got more")

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _BLOCK:
            raise tarfile.ReadError(f"a header of {count} bytes")
        data = self._data.read(count)
        self.check(self.tell())
        return data

    def seek(self, position: int) -> int:
        self.check(position)
        return self._data.seek(position)

    def tell(self) -> int:
        return self._data.tell()
