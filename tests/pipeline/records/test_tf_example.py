"""The wire format: TensorFlow reads what we write, we read what TensorFlow writes, and garbage is refused."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import pytest

from pipeline.records.tf_example import Value, decode_example, encode_example

FEATURES: dict[str, Value] = {
    "bytes": [b"", b"\x00\xff", b"x" * 300],
    "empty/bytes": [],
    "floats": np.array([0.0, -0.0, 1.5, np.inf, np.float32(1e-45)], np.float32),
    "empty/floats": np.zeros(0, np.float32),
    "ints": np.array([0, 1, 127, 128, 16_383, 16_384, 2**31, 2**63 - 1, -1, -(2**63)], np.int64),
    "empty/ints": np.zeros(0, np.int64),
    "Ünïcode": [b"name"],
}


def assert_equal(got: dict[str, Value], expected: dict[str, Value]) -> None:
    assert set(got) == set(expected)
    for name, value in expected.items():
        other = got[name]
        if isinstance(value, list):
            assert other == value
        else:
            assert isinstance(other, np.ndarray) and other.dtype == value.dtype
            assert other.tobytes() == value.tobytes()


def one_feature(feature: bytes) -> bytes:
    """An Example whose only feature, x, has these bytes (each length below 128)."""
    entry = b"\x0a\x01x\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    return b"\x0a" + bytes([len(features)]) + features


def ints_of(packed: bytes) -> bytes:
    values = b"\x0a" + bytes([len(packed)]) + packed
    return one_feature(b"\x1a" + bytes([len(values)]) + values)


def test_what_is_written_is_read() -> None:
    assert_equal(decode_example(encode_example(FEATURES)), FEATURES)


def test_the_bytes_of_a_small_example_by_hand() -> None:
    assert encode_example({"x": np.array([3, 300], np.int64)}) == ints_of(b"\x03\xac\x02")


def test_the_bytes_are_pinned() -> None:
    assert (
        hashlib.sha256(encode_example(FEATURES)).hexdigest()
        == "cd00e64a86d1a3e07df96de4f976660f36b1c2f628d02d1fe551cd1993be1daf"
    )


def test_the_order_of_the_names_does_not_matter() -> None:
    assert encode_example(dict(reversed(FEATURES.items()))) == encode_example(FEATURES)


def test_arrays_are_written_in_c_order_whatever_their_memory() -> None:
    values = np.arange(6).reshape(2, 3)
    kinds: list[Any] = [np.int64, np.float32]
    for dtype in kinds:
        straight = encode_example({"x": values.astype(dtype)})
        assert encode_example({"x": np.asfortranarray(values.astype(dtype))}) == straight
        assert encode_example({"x": np.repeat(values, 2, axis=1).astype(dtype)[:, ::2]}) == straight


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.bool_])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(TypeError, match="must be bytes, float32 or int64, got"):
        encode_example({"x": np.zeros(2, dtype)})


def test_unpacked_numbers_are_read_too() -> None:
    ints = one_feature(b"\x1a\x05\x08\x03\x08\xac\x02")
    assert_equal(decode_example(ints), {"x": np.array([3, 300], np.int64)})
    floats = one_feature(b"\x12\x05\x0d" + np.float32(1.5).tobytes())
    assert_equal(decode_example(floats), {"x": np.array([1.5], np.float32)})


@pytest.mark.parametrize(
    "broken",
    [
        b"garbage",
        b"\x0a\x05\x0a",
        b"\xff" * 11,
        one_feature(b"\x1a\x03\x0a\x05\x01"),  # longer than what is there
        one_feature(b"\x12\x05\x0a\x03\x00\x00\x00"),  # three quarters of a float
        b"\x0a\x05\x0a\x03\x0a\x01\xff",  # a name that is not UTF-8
    ],
)
def test_what_is_not_an_example_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"^record is no tf\.train\.Example$"):
        decode_example(broken)


def test_every_cut_is_a_value_error_or_nothing_at_all() -> None:
    whole = encode_example(FEATURES)
    assert decode_example(b"") == {}
    for end in range(1, len(whole)):
        with pytest.raises(ValueError):
            decode_example(whole[:end])


def test_garbled_bytes_raise_nothing_but_value_errors() -> None:
    choice = random.Random(0)
    whole = encode_example({**FEATURES, "bytes": [b"short"]})
    refused = 0
    for _ in range(3000):
        garbled = bytearray(whole)
        for _ in range(choice.randrange(1, 4)):
            at = choice.randrange(len(garbled))
            garbled[at : at + choice.randrange(3)] = bytes([choice.choice([0xFF, 0x80, choice.randrange(256)])]) * (
                choice.randrange(12)
            )
        try:
            decode_example(bytes(garbled))
        except ValueError:
            refused += 1
    assert refused > 2000


def test_tensorflow_reads_and_writes_the_same() -> None:
    tf = pytest.importorskip("tensorflow")
    parsed = tf.train.Example.FromString(encode_example(FEATURES))
    kinds = {"bytes": "bytes_list", "float": "float_list", "ints": "int64_list"}
    for name, value in FEATURES.items():
        feature = parsed.features.feature[name]
        if isinstance(value, list):
            assert list(feature.bytes_list.value) == value
        elif value.dtype == np.float32:
            assert feature.WhichOneof("kind") == kinds["float"]
            assert np.array(feature.float_list.value, np.float32).tobytes() == value.tobytes()
        else:
            assert feature.WhichOneof("kind") == kinds["ints"]
            assert list(feature.int64_list.value) == value.tolist()
    assert_equal(decode_example(parsed.SerializeToString()), FEATURES)
    assert parsed.SerializeToString(deterministic=True) == encode_example(FEATURES)
