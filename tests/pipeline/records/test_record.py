"""Records: written and read back whole, pinned, read by TensorFlow, and never half understood."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.compositions.collage import Collage
from pipeline.compositions.composition import GroundTruth, SourceImage, no_objects
from pipeline.compositions.random_bits import EntryBits
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.targets import Targets
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
    TRUTH_ROW,
    VIEWS,
    WIDTH,
    BrokenGroundTruth,
    Record,
    decode_record,
    encode_record,
    pack_ground_truth,
    unpack_ground_truth,
)
from pipeline.records.record import TRUTH as TRUTH_NAME
from pipeline.records.tf_example import decode_example, encode_example
from pipeline.records.tfrecord import frame
from tests.one_record import make_record
from tests.pipeline.records.small_record import FIRST, NOTHING, SECOND, SMALL, TRUTH

# Two companions were asked for; the composition decides which of them have a place.
COMPANIONS = tuple(SourceImage(size, label=label) for size, label in (((20, 30), 3), ((8, 9), 0), ((65_500, 1), 200)))
COLLAGE = replace(NOTHING, drawn=COMPANIONS)
NO_TRUTH = replace(SMALL, drawn=(SourceImage((20, 30), truth=no_objects()),))

OBJECTS = GroundTruth(
    corners=np.array([[1.25, 2, 30.5, 40], [-0.5, 0, 3, 1e-3], [0, 0, 1, 1]]),
    labels=np.array([7, 79, 0]),
    crowd=np.array([False, True, False]),
    difficult=np.array([True, False, False]),
    ignored=np.array([False, False, True]),
    area=np.array([1111.5, 0.0, 1.0]),
)
ROWS: list[list[float]] = [
    [1.25, 2, 30.5, 40, 7, 0, 1, 0, 1111.5],
    [-0.5, 0, 3, 1e-3, 79, 1, 0, 0, 0],
    [0, 0, 1, 1, 0, 0, 0, 1, 1],
]


def assert_equal_truths(got: GroundTruth, expected: GroundTruth) -> None:
    for part in fields(GroundTruth):
        np.testing.assert_array_equal(getattr(got, part.name), getattr(expected, part.name), strict=True)


def assert_equal(got: Record, expected: Record) -> None:
    for field in fields(Record):
        if field.name not in ("views", "drawn"):
            assert getattr(got, field.name) == getattr(expected, field.name)
    assert [replace(image, truth=None) for image in got.drawn] == [
        replace(image, truth=None) for image in expected.drawn
    ]
    assert (got.truth is None) == (expected.truth is None)
    if got.truth is not None and expected.truth is not None:
        assert_equal_truths(got.truth, expected.truth)
    assert len(got.views) == len(expected.views)
    for ours, theirs in zip(got.views, expected.views, strict=True):
        assert ours.view == theirs.view
        np.testing.assert_array_equal(ours.boxes, theirs.boxes, strict=True)
        np.testing.assert_array_equal(ours.labels, theirs.labels, strict=True)
        for part in fields(Targets):
            x, y = getattr(ours.targets, part.name), getattr(theirs.targets, part.name)
            np.testing.assert_array_equal(x, y, strict=True)


def real_record(views: int = 1) -> Record:
    """A record as the job makes it: a 64-pixel object, 4,722 anchors, raw pixels."""
    collage = Collage(canvas=(224, 224), object_size=(64, 64), flip=True)
    config = RecordsConfig(
        source="cifar10",
        anchors=IMPROVED_ANCHORS,
        matching=IMPROVED_MATCHING,
        shards=ShardCounts(train=1, val=1, test=1),
        composition=collage,
        views=views,
    )
    key = "train/00042/0"
    image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    layout = collage.layout(SourceImage((32, 32), label=7), views=views, bits=EntryBits(0, key))
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    return make_record(collage.paint(layout, [image]), layout, key=key, config=config, anchors=anchors)[0]


@pytest.mark.parametrize("record", [SMALL, NOTHING, COLLAGE, NO_TRUTH, real_record(16)])
def test_a_record_is_read_back_whole(record: Record) -> None:
    assert_equal(decode_record(encode_record(record)), record)


def test_a_record_is_these_features_and_no_others() -> None:
    features = decode_example(encode_record(SMALL))
    assert sorted(features) == [
        "image/encoded",
        "image/format",
        "image/ground_truth",
        "image/height",
        "image/key",
        "image/source_id",
        "image/source_image_id",
        "image/source_size",
        "image/views",
        "image/width",
    ]
    for name, expected in (
        (KEY, [b"train/00001/0"]),
        (SOURCE_ID, [b"00001"]),
        (ENCODED, [bytes(range(18))]),
        (FORMAT, [b"raw"]),
        (VIEWS, [pack_view(FIRST), pack_view(SECOND)]),
        (TRUTH_NAME, [pack_ground_truth(TRUTH)]),
        (IMAGE_ID, [b"397133"]),
    ):
        assert features[name] == expected
    for name, numbers in ((HEIGHT, [2]), (WIDTH, [3]), (SOURCE_SIZE, [20, 30])):
        np.testing.assert_array_equal(np.asarray(features[name]), np.array(numbers, np.int64), strict=True)
    collage = decode_example(encode_record(COLLAGE))
    assert set(collage) == set(features) - {TRUTH_NAME, IMAGE_ID, SOURCE_SIZE} | {DRAWN}
    assert np.asarray(collage[DRAWN]).tolist() == [20, 30, 3, 8, 9, 0, 65_500, 1, 200]


@pytest.mark.parametrize(
    ("record", "digest"),
    [
        (SMALL, "932ceeab467e05b5b58bcccbd720aef70e5c20e169789f0f41345d6e7a0f5fc7"),
        (NOTHING, "5e0152eaaefe62582c54496f7d3c5199e13402071859e6fc78a41a7cda568f72"),
    ],
    ids=["small", "no objects"],
)
def test_the_bytes_of_a_record_are_pinned(record: Record, digest: str) -> None:
    assert hashlib.sha256(encode_record(record)).hexdigest() == digest


def test_equal_records_give_equal_bytes_whatever_their_memory() -> None:
    targets = replace(FIRST.targets, offsets=np.asfortranarray(FIRST.targets.offsets))
    view = replace(FIRST, boxes=np.asfortranarray(FIRST.boxes), targets=targets)
    assert encode_record(replace(SMALL, views=(view, SECOND))) == encode_record(SMALL)


def test_a_record_of_64_pixels_takes_at_most_13_312_bytes() -> None:
    assert len(frame(encode_record(real_record()))) <= 13_312


def test_a_further_view_takes_little() -> None:
    """One view costs far less than its image: 16 views of one image cost less than two images."""
    one, many = (len(frame(encode_record(real_record(views)))) for views in (1, 16))
    assert many < 2 * one


def test_the_image_is_the_stored_one() -> None:
    image = SMALL.image()
    assert image.shape == (2, 3, 3) and image.dtype == np.uint8
    assert image.tobytes() == SMALL.encoded


@pytest.mark.parametrize("size", [(3, 3), (1, 3), (2, 4), (2, 2)])
def test_an_image_of_another_size_is_refused(size: tuple[int, int]) -> None:
    record = replace(SMALL, height=size[0], width=size[1])
    with pytest.raises(ValueError, match=f"^raw image must have {size[0] * size[1] * 3} bytes, got 18$"):
        record.image()


@pytest.mark.parametrize(
    ("record", "name", "values", "message"),
    [
        (COLLAGE, DRAWN, [20, 30, 8, 9], "must hold height, width and label of each image, got"),
        (COLLAGE, DRAWN, [], "must hold some integers, got nothing"),
        (COLLAGE, DRAWN, [20, 30, 3, 65_501, 1, 0], "must hold height, width and label of each image, got"),
        (COLLAGE, DRAWN, [20, 0, 3], "must hold height, width and label of each image, got"),
        (COLLAGE, DRAWN, [20, 30, -1], "must be from 0 to 2147483647, got"),
        (SMALL, SOURCE_SIZE, [20, 30, 8, 9], "must hold 2 integers, got 4"),
        (SMALL, SOURCE_SIZE, [20, 65_501], "must be from 1 to 65500, got"),
    ],
)
def test_each_image_that_was_drawn_has_a_size_and_a_label(
    record: Record, name: str, values: list[int], message: str
) -> None:
    altered = encode_example({**decode_example(encode_record(record)), name: np.array(values, np.int64)})
    with pytest.raises(ValueError, match=f"^{name} {message}"):
        decode_record(altered)


def test_tensorflow_parses_a_record(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "records.tfrecord"
    path.write_bytes(frame(encode_record(SMALL)) + frame(encode_record(NOTHING)))
    first, second = (tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path)))
    feature = first.features.feature
    assert list(feature["image/key"].bytes_list.value) == [b"train/00001/0"]
    assert list(feature["image/height"].int64_list.value) == [2]
    assert list(feature["image/source_size"].int64_list.value) == [20, 30]
    assert list(feature["image/views"].bytes_list.value) == [pack_view(FIRST), pack_view(SECOND)]
    assert first.SerializeToString(deterministic=True) == encode_record(SMALL)
    assert set(feature) ^ set(second.features.feature) == {TRUTH_NAME, IMAGE_ID, SOURCE_SIZE, DRAWN}
    (truth,) = feature["image/ground_truth"].bytes_list.value
    assert tf.io.decode_raw(truth, tf.float64).numpy()[:9].tolist() == [2.5, 5, 10, 15, 3, 0, 0, 0, 75]
    words = tf.io.decode_raw(feature["image/views"].bytes_list.value[0], tf.int32).numpy()
    assert words[:12].tolist() == [0, 0, 2, 3, 3, 5, 2, 3, 0, 3, 2, 2]
    assert words[12:18].tolist() == [0, 5, 300_000, 0, 0, 1]
    assert words[18:30].view(np.float32).tolist() == [i / 8 for i in range(12)]
    assert words[30:32].tolist() == [1, 2]  # ignored
    assert words[32:34].tolist() == [3, 200]  # labels
    assert words[34:].view(np.float32).tolist() == FIRST.boxes.ravel().tolist()


def truth_with(row: int, column: int, value: float) -> bytes:
    rows = np.array(ROWS)
    rows[row, column] = value
    return rows.astype("<f8").tobytes()


def test_the_bytes_of_ground_truth_by_hand() -> None:
    assert pack_ground_truth(OBJECTS) == b"".join(struct.pack(f"<{TRUTH_ROW}d", *row) for row in ROWS)


@pytest.mark.parametrize("truth", [OBJECTS, no_objects()], ids=["some", "none"])
def test_ground_truth_is_read_back_whole(truth: GroundTruth) -> None:
    again = unpack_ground_truth(pack_ground_truth(truth))
    assert_equal_truths(again, truth)
    assert len(again) == len(truth)


def test_crowds_difficult_and_ignored_objects_are_no_targets() -> None:
    assert OBJECTS.is_target.tolist() == [False, False, False]
    for row, column in ((0, 6), (1, 5), (2, 7)):
        assert unpack_ground_truth(truth_with(row, column, 0.0)).is_target.tolist() == [row == k for k in range(3)]


@pytest.mark.parametrize("length", [1, 8, 71, 73, 215])
def test_half_an_object_is_refused(length: int) -> None:
    with pytest.raises(
        BrokenGroundTruth, match=rf"^image/ground_truth must have a multiple of 72 bytes, got {length}$"
    ):
        unpack_ground_truth(pack_ground_truth(OBJECTS)[:length])


@pytest.mark.parametrize(
    ("column", "value"),
    [(column, value) for column in range(TRUTH_ROW) for value in (float("nan"), float("inf"), float("-inf"))]
    + [(0, 30.5), (0, 31), (2, 1.25), (1, 40), (3, -2), (8, -1e-9)],
)
def test_boxes_are_finite_and_have_an_area(column: int, value: float) -> None:
    message = "^image/ground_truth has boxes that are not finite, or areas below 0$"
    with pytest.raises(BrokenGroundTruth, match=message):
        unpack_ground_truth(truth_with(0, column, value))


@pytest.mark.parametrize(
    ("column", "value"),
    [(4, 0.5), (4, -1), (4, 2.0**31), (4, 1e300), (5, 2), (5, 0.5), (6, -1), (6, 1e300), (7, 2), (7, 0.5)],
)
def test_labels_are_whole_and_flags_are_0_or_1(column: int, value: float) -> None:
    message = "^image/ground_truth has labels other than whole numbers of at least 0, or flags other than 0 and 1$"
    with pytest.raises(BrokenGroundTruth, match=message):
        unpack_ground_truth(truth_with(0, column, value))
