"""Writes and reads `tf.train.Example` without TensorFlow.

An Example maps names to lists of bytes, float32 or int64. The names are written in sorted order, so equal features
give equal bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Value = list[bytes] | NDArray[np.float32] | NDArray[np.int64]

# Tags of length-delimited fields. Example: features = 1. Features: feature = 1, a map whose entries are key = 1 and
# value = 2. Feature: one of bytes_list = 1, float_list = 2, int64_list = 3, each with value = 1.
_FEATURES = _ENTRY = _ITEM = b"\x0a"
_VALUE = b"\x12"
_BYTES, _FLOATS, _INTS = b"\x0a", b"\x12", b"\x1a"

MAX_VALUES = 1 << 17  # strings or integers in a list: Python needs 40 bytes for one that takes two in a record


def encode_example(features: dict[str, Value]) -> bytes:
    """Serializes features. Each is a list of bytes, or a float32 or int64 array, which is flattened in C order."""
    return _delimited(_FEATURES, b"".join([_entry(name, features[name]) for name in sorted(features)]))


def decode_example(serialized: bytes) -> dict[str, Value]:
    """Parses a serialized Example, with packed or unpacked numbers. Raises `ValueError` if it is not one."""
    try:
        features: dict[str, Value] = {}
        for _, body in _fields(serialized, {1: 2}):
            for _, entry in _fields(body, {1: 2}):
                parts = dict(_fields(entry, {1: 2, 2: 2}))
                name = bytes(parts.get(1, b"")).decode()
                if name in features:
                    raise ValueError(f"feature {name!r} must be there once, got it twice")
                features[name] = _value(parts.get(2, b""))
        return features
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"record must be a tf.train.Example, got {error}") from None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = {v: _varint(v) for v in range(1 << 14)}  # covers nearly every length, anchor and class


def _delimited(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    length = len(body)
    return tag + (_SMALL[length] if length < len(_SMALL) else _varint(length)) + body


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return _delimited(b"\x0a", name.encode())


def _entry(name: str, value: Value) -> bytes:
    """An entry of the map: a name and its list."""
    if isinstance(value, list):
        kind, body = _BYTES, b"".join([_delimited(_ITEM, v) for v in value])
    elif value.dtype == np.float32:
        kind, body = _FLOATS, _packed(value.astype("<f4", copy=False).tobytes())
    elif value.dtype == np.int64:
        kind, body = _INTS, _packed(_varints(cast(list[int], value.ravel().tolist())))
    else:
        raise TypeError(f"feature must be bytes, float32 or int64, got {value.dtype}")
    return _delimited(_ENTRY, _name(name) + _delimited(_VALUE, _delimited(kind, body)))


def _packed(numbers: bytes) -> bytes:
    return _delimited(_ITEM, numbers) if numbers else b""


def _varints(numbers: list[int]) -> bytes:
    try:
        return b"".join(map(_SMALL.__getitem__, numbers))
    except KeyError:
        return b"".join([_varint(v & 0xFFFFFFFFFFFFFFFF) for v in numbers])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at  # ten bytes can hold more than 64 bits; protobuf drops the rest
        shift += 7
        if shift > 63:
            raise ValueError("record must be a tf.train.Example, got an endless varint")


def _fields(data: bytes, wire_types: dict[int, int]) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message. `wire_types` says which numbers it may have, and their wire types."""
    out, at = [], 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if wire_types.get(tag >> 3) != tag & 7:
            raise ValueError(f"record must be a tf.train.Example, got field {tag >> 3} of wire type {tag & 7}")
        length, at = _read_varint(data, at)
        if at + length > len(data):
            raise ValueError("record must be a tf.train.Example, got one that is cut off")
        out.append((tag >> 3, data[at : at + length]))
        _check_count(out)
        at += length
    return out


def _check_count(values: list[Any]) -> None:
    if len(values) > MAX_VALUES:
        raise ValueError(f"record must have at most {MAX_VALUES} values of a kind, got more")


def _value(feature: bytes) -> Value:
    if not feature:
        return []
    parts = _fields(feature, {1: 2, 2: 2, 3: 2})
    if len(parts) != 1:
        raise ValueError(f"feature must hold one list, got {len(parts)}")
    kind, body = parts[0]
    if kind == 1:
        return [v for _, v in _fields(body, {1: 2})]
    return _floats(body) if kind == 2 else _ints(body)


def _floats(body: bytes) -> NDArray[np.float32]:
    raw, at = bytearray(), 0
    while at < len(body):
        tag, at = _read_varint(body, at)
        length = 4
        if tag == 1 << 3 | 2:
            length, at = _read_varint(body, at)
        elif tag != 1 << 3 | 5:
            raise ValueError(f"float list must hold floats, got tag {tag}")
        if at + length > len(body) or length % 4:
            raise ValueError("float list must hold whole floats, got a broken one")
        raw += body[at : at + length]
        at += length
    return np.frombuffer(bytes(raw), "<f4").astype(np.float32)


def _ints(body: bytes) -> NDArray[np.int64]:
    values: list[int] = []
    at = 0
    while at < len(body):
        tag, at = _read_varint(body, at)
        packed = tag == 1 << 3 | 2
        if packed:
            length, at = _read_varint(body, at)
            end = at + length
        elif tag == 1 << 3:
            end = at + 1
        else:
            raise ValueError(f"int list must hold varints, got tag {tag}")
        while at < end:
            value, at = _read_varint(body, at)
            values.append(value - (1 << 64) if value >= 1 << 63 else value)
            _check_count(values)
        if packed and at != end:
            raise ValueError("int list must hold whole numbers, got a broken one")
    return np.array(values, np.int64)
