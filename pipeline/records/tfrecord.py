"""TFRecord framing. A frame is: length, masked CRC-32C of the length, data, masked CRC-32C of the data."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
FRAME_BYTES = _HEADER.size + _FOOTER.size
MAX_RECORD = 256 << 20  # bytes: more than any photograph needs, little enough to be held a few times over


class BrokenFrame(ValueError):
    """A broken frame in a TFRecord file. The message names the record's index and byte offset."""


def compute_masked_crc(data: bytes) -> int:
    """The masked CRC-32C of the data, as TFRecord defines it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """The bytes of one record in a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _FOOTER.pack(compute_masked_crc(length)), data, _FOOTER.pack(compute_masked_crc(data))))


def read_frames(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The records of an open TFRecord file of `size` bytes. Raises `BrokenFrame` if a length or a checksum is wrong."""
    index = offset = 0
    while offset < size:
        where = f"record {index} at byte {offset}"
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise BrokenFrame(f"{where} must have a header of {_HEADER.size} bytes, got {len(header)}")
        length, length_crc = _HEADER.unpack(header)
        if compute_masked_crc(header[:8]) != length_crc:
            raise BrokenFrame(f"{where} has a length that does not match its checksum")
        if length > MAX_RECORD:
            raise BrokenFrame(f"{where} must have at most {MAX_RECORD} bytes of data, got {length}")
        if offset + length + FRAME_BYTES > size:
            raise BrokenFrame(f"{where} is cut off: {length} bytes of data expected")
        data, footer = file.read(length), file.read(_FOOTER.size)
        if len(data) < length or len(footer) < _FOOTER.size:
            raise BrokenFrame(f"{where} is cut off: {length} bytes of data expected")
        if compute_masked_crc(data) != _FOOTER.unpack(footer)[0]:
            raise BrokenFrame(f"{where} has data that do not match their checksum")
        yield data
        index += 1
        offset += length + FRAME_BYTES
