"""JSON as annotation tools write it."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

# Strings are matched too, so that what is in them stays.
_STRING_OR_NOT_A_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)')

T = TypeVar("T")


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
        return decoder.decode(_STRING_OR_NOT_A_NUMBER.sub(_null_for_no_number, data))


def _null_for_no_number(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b"null"
