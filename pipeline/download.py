"""Downloads a file once and verifies its checksum; unpacks archives."""

from __future__ import annotations

import http.client
import os
import shutil
import tarfile
import urllib.request
import uuid
import zlib
from collections.abc import Collection
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError, find_disk_error
from pipeline.files import hash_file, open_regular, remove_abandoned

TIMEOUT_SECONDS = 30
_BLOCK = 1 << 20


def download(url: str, target: Path, *, sha256: str, way_out: str) -> Path:
    """Downloads a file, unless it is there already with its checksum. An unfinished part never gets its name.

    Raises `UserError`, ending in `way_out`, if the network does not answer or the checksum is wrong.
    """
    if target.is_file() and hash_file(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent, f"{target.name}*.part")
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    out = part.open("xb")  # not by `tempfile`: other users of the cache may read the file
    try:
        with out, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            total = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=f"downloading {target.name}") as bar:
                while block := answer.read(_BLOCK):
                    out.write(block)
                    bar.update(len(block))
        digest = hash_file(part)
        if digest != sha256:
            raise UserError(f"{url} must have the SHA-256 {sha256}, got {digest}; try again, or {way_out}")
        os.replace(part, target)
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError, time-outs and TLS errors are OSErrors
        if isinstance(error, OSError) and (full := find_disk_error(error)):
            raise full from None
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise UserError(f"{url} cannot be downloaded: {reason}; check the network, or {way_out}") from None
    finally:
        part.unlink(missing_ok=True)
    return target


def unpack_archive(archive: Path, folder: Path, *, names: Collection[str]) -> Path:
    """Unpacks files of a .tar or .tar.gz archive with `tarfile`'s `data` filter.

    Args:
        archive: its path.
        folder: appears whole, by rename, with the files and without the folders in their names; an older one is
            replaced.
        names: of the files in the archive; what else is there is left out.

    Returns:
        The folder.

    Raises `UserError`, and leaves nothing behind, if the archive is broken, lacks a file, or has a link of that name.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UserError(
            f"cannot unpack {archive}: this Python lacks tarfile's safe `data` filter, which came with 3.10.12, 3.11.4 "
            "and 3.12; update Python, or unpack the archive yourself and give the folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent, f"{folder.name}.part-*")
    part = folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex}")
    part.mkdir()  # not by `tempfile`: other users of the cache may read the folder
    missing = set(names)
    try:
        with open_regular(archive) as file:
            mode = "r:gz" if file.read(2) == b"\x1f\x8b" else "r:"
            file.seek(0)
            with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]
                for member in tar:
                    name = member.name.removeprefix("./")
                    if name in missing:
                        missing.remove(name)
                        tar.extract(member.replace(name=os.path.basename(name), deep=False), part, filter="data")
                while tar.fileobj.read(_BLOCK):  # to the end, where gzip keeps its checksum
                    pass
        if missing:
            raise UserError(f"{archive} lacks {', '.join(sorted(missing))}; it may be another archive, or a broken one")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # from the disk, not from a decoder
            raise find_disk_error(error) or error from None
        reason = str(error).partition("\n")[0]
        raise UserError(f"{archive} cannot be unpacked: {reason}; delete it and try again") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
