"""A digest of the images in a folder that needs no list of them."""

from __future__ import annotations

import hashlib
import os

from beam_jobs.sources.listing import walk
from beam_jobs.sources.open_file import open_file
from beam_jobs.sources.source import Check
from pipeline.files import stream_sha256
from pipeline.records.image_file import is_image_name


def folder_digest(folder: str, *, check: Check) -> bytes:
    """The sum, modulo 2^256, of the SHA-256s of each image's name and size, and with "content" also its bytes.

    A sum does not depend on the order in which a file system lists a folder. Files with an image's extension count,
    and files with none. Raises `UserError` if there is no such folder.
    """
    total = 0
    for name, size in walk(folder, sizes=True):
        if is_image_name(name) or not os.path.splitext(name)[1]:
            digest = hashlib.sha256(f"{name}\0{size}\0".encode("utf-8", "backslashreplace"))
            if check == "content":
                digest.update(content_digest(f"{folder}/{name}"))
            total += int.from_bytes(digest.digest(), "big")
    return (total % 2**256).to_bytes(32, "big")


def content_digest(path: str) -> bytes:
    """SHA-256 of an image's bytes; empty if it cannot be read, which the job will say."""
    try:
        with open_file(path) as file:
            return stream_sha256(file)
    except OSError:
        return b""
