"""Downloads a file once and verifies its checksum."""

from __future__ import annotations

import http.client
import os
import urllib.request
import uuid
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError, disk_error
from pipeline.files import file_sha256, remove_abandoned

TIMEOUT_SECONDS = 30
_BLOCK = 1 << 20


def download(url: str, target: Path, *, sha256: str, way_out: str) -> Path:
    """Downloads a file, unless it is there already with its checksum. An unfinished part never gets its name.

    Raises `UserError`, ending in `way_out`, if the network does not answer or the checksum is wrong.
    """
    if target.is_file() and file_sha256(target) == sha256:
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
        digest = file_sha256(part)
        if digest != sha256:
            raise UserError(f"{url} must have the SHA-256 {sha256}, got {digest}; try again, or {way_out}")
        os.replace(part, target)
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError, time-outs and TLS errors are OSErrors
        if isinstance(error, OSError) and (full := disk_error(error)):
            raise full from None
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise UserError(f"{url} cannot be downloaded: {reason}; check the network, or {way_out}") from None
    finally:
        part.unlink(missing_ok=True)
    return target
