"""Records: written and read back whole, pinned, read by TensorFlow, and never half understood."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import CanvasConfig
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.targets import Targets, encode_targets
from pipeline.records.picture_codec import encode_picture
from pipeline.records.record import (
    BOX_SIDES,
    FORMAT,
    HEIGHT,
    KEY,
    LABEL,
    SOURCE_ID,
    TARGET_CLASS,
    TARGET_IGNORED,
    TARGET_OFFSETS,
    WIDTH,
    WINDOW,
    Record,
    decode_record,
    encode_record,
)
from pipeline.records.tf_example import Value, decode_example, encode_example
from pipeline.records.tfrecord import frame
from pipeline.views.collage import Rectangle, make_canvas
from pipeline.views.random_bits import RandomBits

SMALL = Record(
    key="train/00001/0",
    source_id="00001",
    height=64,
    width=48,
    encoded=bytes(range(2 * 3 * 3)),
    format="raw",
    window=Rectangle(3, 5, 2, 3),
    boxes=np.array([[0.125, 0.25, 0.5, 0.75], [0.5, 0.5, 0.875, 1.0]], np.float32),
    labels=np.array([3, 200]),
    targets=Targets(
        anchors=np.array([0, 5, 300_000]),
        classes=np.array([3, 3, 200]),
        offsets=(np.arange(12) / 8).astype(np.float32).reshape(3, 4),
        ignored=np.array([1, 2]),
    ),
)
NOTHING = dataclasses.replace(
    SMALL,
    boxes=np.zeros((0, 4), np.float32),
    labels=np.zeros(0, np.int64),
    targets=Targets(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)),
)


def assert_equal(got: Record, expected: Record) -> None:
    for field in dataclasses.fields(Record):
        a, b = getattr(got, field.name), getattr(expected, field.name)
        if field.name == "targets":
            for part in dataclasses.fields(Targets):
                x, y = getattr(a, part.name), getattr(b, part.name)
                np.testing.assert_array_equal(x, y, strict=True)
        elif isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            assert a == b


def real_record() -> Record:
    """A record as the job makes it: a 64-pixel object, 4,722 anchors, raw pixels."""
    picture = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    canvas = make_canvas(CanvasConfig(224, (64, 64)), picture, 7, RandomBits(0, "train/00042/0"))
    anchors = make_anchors(IMPROVED_ANCHORS, 224)
    targets, _ = encode_targets(canvas.boxes, canvas.labels, anchors=anchors, matching=IMPROVED_MATCHING)
    return Record(
        "train/00042/0",
        "00042",
        224,
        224,
        encode_picture(canvas.pixels, "raw"),
        "raw",
        canvas.window,
        canvas.boxes,
        canvas.labels,
        targets,
    )


@pytest.mark.parametrize("record", [SMALL, NOTHING, real_record()], ids=["small", "no objects", "real"])
def test_a_record_is_read_back_whole(record: Record) -> None:
    assert_equal(decode_record(encode_record(record)), record)


def test_the_bytes_of_a_record_are_pinned() -> None:
    assert (
        hashlib.sha256(encode_record(SMALL)).hexdigest()
        == "94a911b78101548548f2d36a1dbb0f0a63a147ef1558dba913befe121b6f9f57"
    )


def test_equal_records_give_equal_bytes_whatever_their_memory() -> None:
    targets = dataclasses.replace(SMALL.targets, offsets=np.asfortranarray(SMALL.targets.offsets))
    other = dataclasses.replace(SMALL, boxes=np.asfortranarray(SMALL.boxes), targets=targets)
    assert encode_record(other) == encode_record(SMALL)


def test_a_record_of_64_pixels_takes_at_most_13_312_bytes() -> None:
    assert len(frame(encode_record(real_record()))) <= 13_312


def test_the_picture_is_the_window_on_black() -> None:
    picture = SMALL.picture()
    assert picture.shape == (64, 48, 3)
    assert picture[3:5, 5:8].tobytes() == SMALL.encoded
    assert picture.sum() == sum(SMALL.encoded)


@pytest.mark.parametrize(
    "window",
    [
        Rectangle(-1, 5, 2, 3),
        Rectangle(3, -1, 2, 3),
        Rectangle(63, 5, 2, 3),
        Rectangle(3, 46, 2, 3),
        Rectangle(3, 5, -2, -3),
        Rectangle(3, 5, 3, 2),
        Rectangle(3, 5, 3, 3),
    ],
)
def test_a_window_that_does_not_fit_is_refused(window: Rectangle) -> None:
    record = dataclasses.replace(SMALL, window=window)
    if (window.height, window.width) == (3, 2):  # as many pixels, and inside: nobody can tell
        assert record.picture()[3:6, 5:7].tobytes() == SMALL.encoded
        return
    with pytest.raises(ValueError):
        record.picture()


@pytest.mark.parametrize("feature", sorted(decode_example(encode_record(SMALL))))
def test_a_missing_feature_is_named(feature: str) -> None:
    features = decode_example(encode_record(SMALL))
    del features[feature]
    with pytest.raises(ValueError, match=f"^{feature} must be"):
        decode_record(encode_example(features))


def altered(name: str, value: Value) -> bytes:
    return encode_example({**decode_example(encode_record(SMALL)), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (HEIGHT, np.array([1, 2], np.int64)),
        (HEIGHT, np.array([64.0], np.float32)),
        (WINDOW, np.array([1, 2, 3], np.int64)),
        (WINDOW, [b"window"]),
        (KEY, [b"a", b"b"]),
        (KEY, np.array([1], np.int64)),
        (KEY, [b"train/\xff/0"]),
        (SOURCE_ID, [b"\xff"]),
        (FORMAT, [b"\xff"]),
        (HEIGHT, np.array([10**6], np.int64)),
        (WIDTH, np.array([-1], np.int64)),
        (BOX_SIDES[0], np.zeros(3, np.float32)),
        (LABEL, np.array([3.0, 4.0], np.float32)),
        (BOX_SIDES[2], np.array([0.5], np.float32)),
        (TARGET_CLASS, np.array([3], np.int64)),
        (TARGET_OFFSETS, np.zeros(11, np.float32)),
        (TARGET_OFFSETS, np.zeros(12, np.int64)),
    ],
)
def test_a_feature_of_another_kind_or_length_is_named(name: str, value: Value) -> None:
    with pytest.raises(ValueError, match=f"^{name} must"):
        decode_record(altered(name, value))


def test_an_empty_list_may_be_of_any_kind() -> None:
    """Other writers leave the kind of an empty feature out."""
    empty: Value = []
    assert decode_record(altered(TARGET_IGNORED, empty)).targets.ignored.tolist() == []


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


def test_tensorflow_parses_a_record(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "records.tfrecord"
    path.write_bytes(frame(encode_record(SMALL)) + frame(encode_record(NOTHING)))
    first, second = (tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path)))
    feature = first.features.feature
    assert list(feature["image/key"].bytes_list.value) == [b"train/00001/0"]
    assert list(feature["image/window"].int64_list.value) == [3, 5, 2, 3]
    assert list(feature["image/object/bbox/xmax"].float_list.value) == [0.75, 1.0]
    assert list(feature["target/anchor"].int64_list.value) == [0, 5, 300_000]
    assert list(feature["target/offsets"].float_list.value) == [i / 8 for i in range(12)]
    assert first.SerializeToString(deterministic=True) == encode_record(SMALL)
    assert set(second.features.feature) == set(feature)
    assert list(second.features.feature["target/anchor"].int64_list.value) == []
