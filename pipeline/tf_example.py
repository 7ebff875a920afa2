"""The wire format of `tf.train.Example`, written and read without TensorFlow.

An Example is a map from name to a list of bytes, of float32 or of int64. The map is written in the order of the
names, so equal features give equal bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Value = list[bytes] | NDArray[np.float32] | NDArray[np.int64]

_BYTES, _FLOATS, _INTS = 1, 2, 3  # fields of Feature's oneof


def encode_example(features: dict[str, Value]) -> bytes:
    """Serializes features: a list of bytes, a float32 array or an int64 array each (flattened in C order)."""
    entries = []
    for name in sorted(features):
        feature = _feature(features[name])
        entry = _field(1, name.encode()) + _field(2, feature)
        entries.append(_field(1, entry))
    return _field(1, b"".join(entries))


def decode_example(serialized: bytes) -> dict[str, Value]:
    """Parses a serialized Example, packed or not. Raises `ValueError` where the bytes are not one."""
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


_VARINTS = [_varint(v) for v in range(1 << 14)]  # nearly every length, anchor and class


def _any_varint(value: int) -> bytes:
    if 0 <= value < len(_VARINTS):
        return _VARINTS[value]
    return _varint(value & 0xFFFFFFFFFFFFFFFF)


def _field(number: int, body: bytes) -> bytes:
    """A length-delimited field."""
    return bytes((number << 3 | 2,)) + _any_varint(len(body)) + body


def _feature(value: Value) -> bytes:
    if isinstance(value, list):
        return _field(_BYTES, b"".join([_field(1, v) for v in value]))
    flat = value.reshape(-1)
    if flat.dtype == np.float32:
        return _field(_FLOATS, _field(1, flat.astype("<f4").tobytes()) if flat.size else b"")
    if flat.dtype == np.int64:
        packed = b"".join([_any_varint(v) for v in flat.tolist()])
        return _field(_INTS, _field(1, packed) if packed else b"")
    raise TypeError(f"feature must be bytes, float32 or int64, got {flat.dtype}")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("record must be a tf.train.Example, got an endless varint")


def _fields(data: bytes, wire_types: dict[int, int]) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message, checked against the ones it may have."""
    out, at = [], 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if wire_types.get(tag >> 3) != tag & 7:
            raise ValueError(f"record must be a tf.train.Example, got field {tag >> 3} of wire type {tag & 7}")
        length, at = _read_varint(data, at)
        if at + length > len(data):
            raise ValueError("record must be a tf.train.Example, got one that ends early")
        out.append((tag >> 3, data[at : at + length]))
        at += length
    return out


def _value(feature: bytes) -> Value:
    if not feature:
        return []
    ((kind, body),) = _fields(feature, {_BYTES: 2, _FLOATS: 2, _INTS: 2})
    if kind == _BYTES:
        return [v for _, v in _fields(body, {1: 2})]
    if kind == _FLOATS:
        return _floats(body)
    return _ints(body)


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
        if tag == 1 << 3 | 2:
            length, at = _read_varint(body, at)
            end = at + length
            if end > len(body):
                raise ValueError("int list must hold whole numbers, got a broken one")
        elif tag == 1 << 3:
            end = at + 1
        else:
            raise ValueError(f"int list must hold varints, got tag {tag}")
        while at < end:
            value, at = _read_varint(body, at)
            values.append(value - (1 << 64) if value >= 1 << 63 else value)
    return np.array(values, np.int64)
