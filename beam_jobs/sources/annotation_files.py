"""Annotation files as tools write them, read whole. One that cannot be read is a `UserError`."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from beam_jobs.sources.image_files import is_local, open_file
from pipeline.errors import UserError, make_printable
from pipeline.files import read_regular

_UTF8_MARK = b"\xef\xbb\xbf"  # which Windows programs write first
MAX_LIST_BYTES = 1 << 30  # of a list with one name per line: tens of millions of images
# Strings are matched too, so that what is in them stays.
_STRING_OR_NOT_A_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)')

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
        raise UserError(f"{path} has more than {limit} bytes")
    return data.removeprefix(_UTF8_MARK)


def read_lines(path: str, *, limit: int = MAX_LIST_BYTES) -> list[str]:
    """The lines of a text file that are not blank, without blanks around them. Raises like `read_annotations`."""
    lines = read_annotations(path, limit=limit).decode("utf-8", "backslashreplace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def decode_json(data: bytes, decoder: msgspec.json.Decoder[T], name: str) -> T:
    """Decodes JSON into a known type. Raises `UserError` with `name` in it if that fails."""
    try:
        return decode_tolerantly(decoder, data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name} is not JSON of this format: {make_printable(str(error))}") from None


def decode_tolerantly(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Decodes JSON in which NaN and Infinity count as null: Python's `json` writes them, although JSON lacks them.

    Raises `msgspec.MsgspecError`, `UnicodeDecodeError` or `RecursionError` if it is not JSON of the decoder's type.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in data and b"Infinity" not in data:
            raise
        return decoder.decode(_STRING_OR_NOT_A_NUMBER.sub(_write_null, data))


def _write_null(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b"null"
