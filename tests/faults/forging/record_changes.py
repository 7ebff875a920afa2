"""The ways in which one feature of a record is altered, or its bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.records.tf_example import Value, decode_example

Change = Callable[[Any], Any]
ByteChange = Callable[[bytes, random.Random], bytes]


class Skip(Exception):
    """This way does not apply to this feature."""


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _at(index: int, change: Change) -> Change:
    """Changes one number of an array, or one string of a list."""

    def changed(value: Any) -> Any:
        if not len(value):
            raise Skip
        result = value.copy()
        result[index] = change(value[index])
        return result

    return changed


def _first_and_last(name: str, change: Change) -> dict[str, Change]:
    return {f"the first {name}": _at(0, change), f"the last {name}": _at(-1, change)}


ANY: dict[str, Change] = {
    "empty": lambda value: value[:0],
    "bytes": lambda _: [b"x"],
    "integers": lambda _: _ints(1),
    "reals": lambda _: np.array([0.5], np.float32),
    "another kind": lambda value: (
        value.astype(np.float32 if value.dtype == np.int64 else np.int64) if isinstance(value, np.ndarray) else _ints(1)
    ),
    "one less": lambda value: value[:-1],
    "one more": lambda value: [*value, *value[-1:]] if isinstance(value, list) else np.concatenate([value, value[-1:]]),
    "the other way round": lambda value: value[::-1],
    "100,000 of them": lambda value: value * 100_000 if isinstance(value, list) else np.resize(value, 100_000),
}
INTEGERS: dict[str, Change] = {
    **_first_and_last("negative", lambda v: -v - 1),
    **_first_and_last("one more", lambda v: v + 1),
    **_first_and_last("one less", lambda v: v - 1),
    **_first_and_last("zero", lambda v: 0),
    **_first_and_last("999", lambda v: 999),
    **_first_and_last("10^6", lambda v: 10**6),
    **_first_and_last("2^31", lambda v: 2**31),
    **_first_and_last("2^32", lambda v: 2**32 + int(v)),
    **_first_and_last("2^62", lambda v: 2**62),
    **_first_and_last("-2^63", lambda v: -(2**63)),
    "all the same": lambda value: np.full_like(value, value[0]) if len(value) else value,
}
REALS: dict[str, Change] = {
    **_first_and_last("NaN", lambda v: np.nan),
    **_first_and_last("infinite", lambda v: np.inf),
    **_first_and_last("minus infinite", lambda v: -np.inf),
    **_first_and_last("negative", lambda v: -v - 1),
    **_first_and_last("more", lambda v: v + 0.05),
    **_first_and_last("a bit more", lambda v: v + 0.001),
    **_first_and_last("zero", lambda v: 0),
    **_first_and_last("1.5", lambda v: 1.5),
    **_first_and_last("1e30", lambda v: 1e30),
    **_first_and_last("-3e38", lambda v: -3e38),
    "all the same": lambda value: np.full_like(value, value[0]) if len(value) else value,
}
STRINGS: dict[str, Change] = {
    "no bytes": _at(0, lambda v: b""),
    "not UTF-8": _at(0, lambda v: b"\xff\xfe" + v[2:]),
    "half a surrogate": _at(0, lambda v: b"\xed\xa0\x80" + v),
    "NUL": _at(0, lambda v: v[:1] + b"\0" + v[1:]),
    "a control character": _at(0, lambda v: v + b"\x1b[2J"),
    "a line break": _at(0, lambda v: v + b"\n"),
    "a path": _at(0, lambda v: b"../../" + v),
    "a quote": _at(0, lambda v: b'"' + v),
    "mathematics": _at(0, lambda v: v + b"US$1_$5"),
    "another end": _at(0, lambda v: v[:-1] + bytes([v[-1] ^ 1])),
    "cut short": _at(0, lambda v: v[: len(v) // 2]),
    "3 bytes less": _at(0, lambda v: v[:-3]),
    "3 bytes more": _at(0, lambda v: v + b"abc"),
    "a megabyte": _at(0, lambda v: b"x" * 1_000_000),
    "png": _at(0, lambda v: b"png"),
    "jpeg": _at(0, lambda v: b"jpeg"),
    "a header of a huge image": _at(
        0, lambda v: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\x02\0\0\0" + v
    ),
}


def _flip(data: bytes, choose: random.Random) -> bytes:
    flipped = bytearray(data)
    bit = choose.randrange(8 * len(data))
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _flip_outside_of_pixels(data: bytes, choose: random.Random) -> bytes:
    """A flipped bit in the small features, which are most of the meaning and few of the bytes."""
    pixels = max((v for value in decode_example(data).values() if isinstance(value, list) for v in value), key=len)
    start = data.index(pixels)
    places = [*range(start), *range(start + len(pixels), len(data))]
    flipped = bytearray(data)
    flipped[choose.choice(places)] ^= 1 << choose.randrange(8)
    return bytes(flipped)


BYTES: dict[str, ByteChange] = {
    "no bytes": lambda data, choose: b"",
    "cut": lambda data, choose: data[: choose.randrange(len(data))],
    "a cut in the middle": lambda data, choose: data[: (at := choose.randrange(len(data)))] + data[at + 7 :],
    "grown": lambda data, choose: data + choose.randbytes(20),
    "noise": lambda data, choose: choose.randbytes(len(data)),
    "another message": lambda data, choose: b"\x12\x02hi" + data,
    "nested": lambda data, choose: _nested(10_000),
    "twice": lambda data, choose: data + data,
    "a flipped bit": _flip,
}
FLIP = "a flipped bit outside of pixels"
BYTES[FLIP] = _flip_outside_of_pixels


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = b"\x0a" + _varint(len(data)) + data
    return data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


# Of what a packed view holds. It has no kinds of values, and integers of 32 bits.
ROWS = ("empty", "one less", "one more", "the other way round", "100,000 of them")
PACKED: dict[str, Change] = {name: ANY[name] for name in ROWS}
PACKED_INTEGERS: dict[str, Change] = {
    **{name: change for name, change in INTEGERS.items() if not name.endswith(("2^32", "2^62", "-2^63"))},
    **_first_and_last("2^30", lambda v: 2**30),
    **_first_and_last("2^31 - 1", lambda v: 2**31 - 1),
}
PACKED_BYTES: dict[str, ByteChange] = {
    "no bytes": lambda data, choose: b"",
    "one byte less": lambda data, choose: data[:-1],
    "one word less": lambda data, choose: data[:-4],
    "one word more": lambda data, choose: data + b"\1\0\0\0",
    "only a header": lambda data, choose: data[:48],
    "cut": lambda data, choose: data[: choose.randrange(len(data))],
    "a cut in the middle": lambda data, choose: data[: (at := choose.randrange(len(data)))] + data[at + 4 :],
    "noise": lambda data, choose: choose.randbytes(len(data)),
    "zeros": lambda data, choose: bytes(len(data)),
    "ones": lambda data, choose: b"\xff" * len(data),
    "big-endian": lambda data, choose: np.frombuffer(data, "<i4").astype(">i4").tobytes(),
    "twice": lambda data, choose: data * 2,
    "a megabyte": lambda data, choose: data[:48] + bytes(1_000_000),
    "a flipped bit": _flip,
}


def kinds_in_view(value: np.ndarray) -> dict[str, Change]:
    """The ways in which a field of a packed view is altered."""
    return {**PACKED, **(REALS if value.dtype == np.float32 else PACKED_INTEGERS)}


def kinds_in_truth() -> dict[str, Change]:
    """The ways in which a column of the ground truth, or its rows, are altered."""
    return {**PACKED, **REALS}


def kinds_of(value: Value) -> dict[str, Change]:
    """The ways in which a feature of this kind is altered."""
    if isinstance(value, list):
        return {**ANY, **STRINGS}
    return {**ANY, **(INTEGERS if value.dtype == np.int64 else REALS)}
