"""Writes and reads `tf.train.Example` without TensorFlow.

An Example maps names to lists of bytes, float32 or int64. Our own few lines write it, because the bytes are the
contract: the names in sorted order, so equal features give equal bytes. protobuf reads it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

Value = list[bytes] | NDArray[np.float32] | NDArray[np.int64]

# Tags of length-delimited fields. Example: features = 1. Features: feature = 1, a map whose entries are key = 1 and
# value = 2. Feature: one of bytes_list = 1, float_list = 2, int64_list = 3, each with value = 1.
_FEATURES = _ENTRY = _ITEM = b"\x0a"
_VALUE = b"\x12"
_BYTES, _FLOATS, _INTS = b"\x0a", b"\x12", b"\x1a"


def encode_example(features: dict[str, Value]) -> bytes:
    """Serializes features. Each is a list of bytes, or a float32 or int64 array, which is flattened in C order."""
    return _delimit(_FEATURES, b"".join([_entry(name, features[name]) for name in sorted(features)]))


def decode_example(serialized: bytes) -> dict[str, Value]:
    """Parses a serialized Example, with packed or unpacked numbers. Raises `ValueError` if it is not one."""
    try:
        features = _make_example_class().FromString(serialized).features.feature
    except DecodeError:
        raise ValueError("record is no tf.train.Example") from None
    return {name: _value(features[name]) for name in features}


def _value(feature: Any) -> Value:
    kind = feature.WhichOneof("kind")
    if kind == "float_list":
        return np.array(feature.float_list.value, np.float32)
    if kind == "int64_list":
        return np.array(feature.int64_list.value, np.int64)
    return list(feature.bytes_list.value)


@lru_cache(maxsize=1)
def _make_example_class() -> Any:
    """The message class, in a pool of its own: TensorFlow registers its Example in the default one."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="prematch", syntax="proto3")

    def add_list(name: str, kind: int) -> None:
        file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=field.LABEL_REPEATED)

    add_list("BytesList", field.TYPE_BYTES)
    add_list("FloatList", field.TYPE_FLOAT)
    add_list("Int64List", field.TYPE_INT64)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate((("bytes_list", "BytesList"), ("float_list", "FloatList")), start=1):
        _add_message(feature, name, number, kind).oneof_index = 0
    _add_message(feature, "int64_list", 3, "Int64List").oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    _add_message(entry, "value", 2, "Feature")
    _add_message(features, "feature", 1, "Features.FeatureEntry").label = field.LABEL_REPEATED
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prematch.Example"))


def _add_message(message: Any, name: str, number: int, kind: str) -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    return message.field.add(
        name=name, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL, type_name=f".prematch.{kind}"
    )


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = {v: _encode_varint(v) for v in range(1 << 14)}  # covers nearly every length, anchor and class


def _delimit(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    length = len(body)
    return tag + (_SMALL[length] if length < len(_SMALL) else _encode_varint(length)) + body


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    return _delimit(b"\x0a", name.encode())


def _entry(name: str, value: Value) -> bytes:
    """An entry of the map: a name and its list."""
    if isinstance(value, list):
        kind, body = _BYTES, b"".join([_delimit(_ITEM, v) for v in value])
    elif value.dtype == np.float32:
        kind, body = _FLOATS, _pack(value.astype("<f4", copy=False).tobytes())
    elif value.dtype == np.int64:
        kind, body = _INTS, _pack(_encode_varints(cast(list[int], value.ravel().tolist())))
    else:
        raise TypeError(f"feature must be bytes, float32 or int64, got {value.dtype}")
    return _delimit(_ENTRY, _name(name) + _delimit(_VALUE, _delimit(kind, body)))


def _pack(numbers: bytes) -> bytes:
    return _delimit(_ITEM, numbers) if numbers else b""


def _encode_varints(numbers: list[int]) -> bytes:
    try:
        return b"".join(map(_SMALL.__getitem__, numbers))
    except KeyError:
        return b"".join([_encode_varint(v & 0xFFFFFFFFFFFFFFFF) for v in numbers])
