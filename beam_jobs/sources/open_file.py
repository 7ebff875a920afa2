"""Opens files for reading, on local disks and on any of Beam's file systems."""

from __future__ import annotations

from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.files import open_regular

BYTES = "application/octet-stream"  # as object stores call it


def is_local(path: str) -> bool:
    """Whether a path is on a local (or mounted) disk."""
    return "://" not in path


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading bytes. On a local disk it must be a regular file; raises `OSError` if it is not."""
    if is_local(path):
        return open_regular(path)
    return FileSystems.open(path, BYTES, CompressionTypes.UNCOMPRESSED)
