"""Broken records: what is missing, of another kind or out of range is named, and nothing else is raised."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.compositions.composition import MAX_IMAGE
from pipeline.records.packed_view import pack_view
from pipeline.records.record import (
    DRAWN,
    ENCODED,
    FORMAT,
    HEIGHT,
    IMAGE_ID,
    KEY,
    SOURCE_ID,
    SOURCE_SIZE,
    VIEWS,
    WIDTH,
    Record,
    decode_record,
    encode_record,
)
from pipeline.records.record import TRUTH as TRUTH_NAME
from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.pipeline.records.small_record import FIRST, NOTHING, SECOND, SMALL


@pytest.mark.parametrize("feature", sorted(decode_example(encode_record(NOTHING))))
def test_a_missing_feature_is_named(feature: str) -> None:
    features = decode_example(encode_record(NOTHING))
    del features[feature]
    with pytest.raises(ValueError, match=f"^{feature} must hold .*, got nothing$"):
        decode_record(encode_example(features))


def altered(name: str, value: Value, of: Record = SMALL) -> bytes:
    return encode_example({**decode_example(encode_record(of)), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (HEIGHT, np.array([1, 2], np.int64)),
        (HEIGHT, np.array([64.0], np.float32)),
        (HEIGHT, [b"64"]),
        (HEIGHT, np.array([MAX_IMAGE + 1], np.int64)),
        (HEIGHT, np.array([0], np.int64)),
        (WIDTH, np.array([-1], np.int64)),
        (WIDTH, np.array([2**63 - 1], np.int64)),
        (SOURCE_SIZE, np.array([1, 2, 3], np.int64)),
        (SOURCE_SIZE, np.array([1], np.int64)),
        (SOURCE_SIZE, np.zeros(0, np.int64)),
        (SOURCE_SIZE, []),
        (SOURCE_SIZE, np.array([0, 41], np.int64)),
        (SOURCE_SIZE, np.array([-20, 41], np.int64)),
        (SOURCE_SIZE, np.array([20, 2**31], np.int64)),
        (SOURCE_SIZE, np.array([20.0, 41.0], np.float32)),
        (SOURCE_SIZE, [b"20", b"41"]),
        (KEY, [b"a", b"b"]),
        (KEY, np.array([1], np.int64)),
        (KEY, [b"train/\xff/0"]),
        (SOURCE_ID, [b"\xff"]),
        (FORMAT, [b"\xff"]),
        (TRUTH_NAME, [b"one", b"two"]),
        (TRUTH_NAME, np.array([1.0], np.float32)),
        (TRUTH_NAME, []),
        (IMAGE_ID, [b"\xff"]),
        (IMAGE_ID, np.array([1], np.int64)),
        (ENCODED, [b"one", b"two"]),
        (ENCODED, np.array([1.0], np.float32)),
        (VIEWS, []),
        (VIEWS, np.array([1, 2], np.int64)),
    ],
)
def test_a_feature_of_another_kind_or_length_is_named(name: str, value: Value) -> None:
    with pytest.raises(ValueError, match=f"^{name} must"):
        decode_record(altered(name, value))


@pytest.mark.parametrize(
    "value",
    [
        np.array([20, 30], np.int64),
        np.array([20, 30, 3, 20], np.int64),
        np.array([0, 30, 3], np.int64),
        np.array([20, MAX_IMAGE + 1, 3], np.int64),
        np.array([20, 30, -1], np.int64),
        np.array([20, 30, 2**31], np.int64),
        np.array([20.0, 30.0, 3.0], np.float32),
        np.zeros(0, np.int64),
        [b"3"],
    ],
)
def test_sizes_and_labels_of_another_kind_or_number_are_named(value: Value) -> None:
    with pytest.raises(ValueError, match=f"^{DRAWN} must (hold|be from 0 to)"):
        decode_record(altered(DRAWN, value, NOTHING))


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (b"", "view must have a multiple of 4 bytes, at least 48, got 0"),
        (pack_view(SECOND)[:-1], "view must have a multiple of 4 bytes, at least 48, got 47"),
        (pack_view(SECOND) + bytes(4), "view must have 12 words by its counts, got 13"),
        (b"\x02\0\0\0" * 9 + bytes(12), "mirrored must be 0 or 1, got 2"),
        (b"\xff" * 48, r"view must have counts of at least 0, got \[-1, -1, -1\]"),
    ],
)
def test_a_broken_view_is_named_by_its_number(second: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"^image/views\[1\]: {fault}$"):
        decode_record(altered(VIEWS, [pack_view(FIRST), second]))


def test_broken_ground_truth_is_named() -> None:
    with pytest.raises(ValueError, match=r"^image/ground_truth must have a multiple of 72 bytes, got 65$"):
        decode_record(altered(TRUTH_NAME, [bytes(65)]))


def test_garbled_records_raise_nothing_but_value_errors() -> None:
    choice = random.Random(0)
    whole = encode_record(SMALL)
    refused = 0
    for number in range(2000):
        garbled = bytearray(whole)
        at = choice.randrange(len(garbled))
        if number % 3 == 0:
            del garbled[at:]
        elif number % 3 == 1:
            garbled[at] = choice.randrange(256)
        else:
            garbled[at:at] = bytes([choice.choice([0xFF, 0x80])]) * choice.randrange(1, 12)
        try:
            decode_record(bytes(garbled))
        except ValueError:
            refused += 1
    assert refused > 1000
