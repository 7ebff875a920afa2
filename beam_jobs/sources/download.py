"""Data sets from the network: fetched once, their checksum verified, unpacked without trust in the archive's names."""

from __future__ import annotations

import http.client
import lzma
import os
import shutil
import tarfile
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError, disk_error
from pipeline.files import file_sha256

TIMEOUT_SECONDS = 30
ABANDONED_SECONDS = 3600  # without a byte more, a part belongs to no one
_BLOCK = 1 << 20


def fetch(url: str, target: Path, *, sha256: str, way_out: str) -> Path:
    """Downloads a file unless it is there with its checksum; a part of one never gets its name.

    Raises `UserError` for a network that does not answer and for a wrong checksum, with the way out.
    """
    if target.is_file() and file_sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    for old in target.parent.glob(f"{target.name}*.part"):  # of a download that was killed
        if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
            old.unlink(missing_ok=True)
    handle, part = tempfile.mkstemp(prefix=target.name, suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            total = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=f"downloading {target.name}") as bar:
                while block := answer.read(_BLOCK):
                    out.write(block)
                    bar.update(len(block))
        digest = file_sha256(Path(part))
        if digest != sha256:
            raise UserError(f"{url} must have the SHA-256 {sha256}, got {digest}; try again, or {way_out}")
        os.replace(part, target)
    except (OSError, http.client.HTTPException) as error:  # URLError, time-outs and TLS's errors are OSErrors
        if isinstance(error, OSError) and (full := disk_error(error)):
            raise full from None
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise UserError(f"{url} must be reachable, got {reason}; check the network, or {way_out}") from None
    finally:
        Path(part).unlink(missing_ok=True)
    return target


def unpack(archive: Path, folder: Path, *, members: dict[str, str]) -> Path:
    """Writes the named members of a tar archive to files of our own names in `folder`; nothing else of it.

    Args:
        archive: a .tar.gz.
        folder: appears whole, by rename.
        members: file name in the folder, by name in the archive.

    Raises `UserError` for a broken archive, or one that lacks a member.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        missing = dict(members)
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                name = missing.pop(member.name.removeprefix("./"), None)
                if name is None:
                    continue
                file = tar.extractfile(member) if member.isreg() else None
                if file is None:
                    raise UserError(f"{archive}: {member.name} must be a file, got a link or a folder")
                with (part / name).open("wb") as out:
                    shutil.copyfileobj(file, out, _BLOCK)
            while tar.fileobj is not None and tar.fileobj.read(_BLOCK):  # to the end, where the checksum is
                pass
        if missing:
            raise UserError(f"{archive} must hold {', '.join(sorted(missing))}, got an archive without")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of a decoder
            raise disk_error(error) or error from None
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{archive} must be a whole tar archive, got a broken one: {reason}; delete it and try again"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
