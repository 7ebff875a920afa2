"""Reads whole annotation files. One that cannot be read is a `UserError`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from beam_jobs.sources.json_text import decode_tolerantly
from beam_jobs.sources.open_file import is_local, open_file
from pipeline.errors import UserError, printable
from pipeline.files import read_regular

_UTF8_MARK = b"\xef\xbb\xbf"  # which Windows programs write first

MAX_LIST_BYTES = 1 << 30  # of a list with one name per line: tens of millions of images

T = TypeVar("T")


def read_annotations(path: str, *, limit: int) -> bytes:
    """The bytes of an annotation file, without a byte order mark of UTF-8.

    Raises `UserError` if it is missing, not a regular file, or longer than `limit` bytes.
    """
    try:
        if is_local(path):
            return read_regular(path, limit=limit).removeprefix(_UTF8_MARK)
        with open_file(path) as file:
            data: bytes = file.read(limit + 1)
    except FileNotFoundError:
        raise UserError(f"there is no annotation file {path}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the annotations {path}: {error}") from None
    if len(data) > limit:
        raise UserError(f"{path} must have at most {limit} bytes, got more")
    return data.removeprefix(_UTF8_MARK)


def decode_json(data: bytes, decoder: msgspec.json.Decoder[T], name: str) -> T:
    """Decodes JSON into a known type. Raises `UserError` with `name` in it if that fails."""
    try:
        return decode_tolerantly(decoder, data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name} is not JSON of this format: {printable(str(error))}") from None
