"""Records: written and read back whole, pinned, read by TensorFlow, and never half understood."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import Collage, RecordsConfig, ShardCounts
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.targets import Targets
from pipeline.records.ground_truth import GroundTruth, pack_ground_truth, unpack_ground_truth
from pipeline.records.layout import Layout
from pipeline.records.packed_view import pack_view
from pipeline.records.record import (
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
from pipeline.records.tf_example import decode_example
from pipeline.records.tfrecord import frame
from pipeline.views.collage import collage_views, compose
from pipeline.views.random_bits import RandomBits, bits_of_views
from tests.one_record import make_record
from tests.pipeline.records.small_record import FIRST, NOTHING, SECOND, SMALL, TRUTH


def assert_equal(got: Record, expected: Record) -> None:
    for field in dataclasses.fields(Record):
        if field.name not in ("views", "truth"):
            assert getattr(got, field.name) == getattr(expected, field.name)
    assert (got.truth is None) == (expected.truth is None)
    for part in dataclasses.fields(GroundTruth) if expected.truth is not None else ():
        x, y = getattr(got.truth, part.name), getattr(expected.truth, part.name)
        np.testing.assert_array_equal(x, y, strict=True)
    assert len(got.views) == len(expected.views)
    for ours, theirs in zip(got.views, expected.views, strict=True):
        assert ours.view == theirs.view
        np.testing.assert_array_equal(ours.boxes, theirs.boxes, strict=True)
        np.testing.assert_array_equal(ours.labels, theirs.labels, strict=True)
        for part in dataclasses.fields(Targets)[:-1]:  # objects are not stored yet
            x, y = getattr(ours.targets, part.name), getattr(theirs.targets, part.name)
            np.testing.assert_array_equal(x, y, strict=True)


def real_record(views: int = 1) -> Record:
    """A record as the job makes it: a 64-pixel object, 4,722 anchors, raw pixels."""
    collage = Collage(size=224, object_size=(64, 64), flip=True)
    config = RecordsConfig(
        source="cifar10",
        anchors=IMPROVED_ANCHORS,
        matching=IMPROVED_MATCHING,
        shards=ShardCounts(train=1, val=1, test=1),
        collage=collage,
        views=views,
    )
    key = "train/00042/0"
    image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    composed = compose(collage, image, 7, RandomBits(0, key))
    some = collage_views(collage, composed.window, count=views, bits_of=bits_of_views(0, key))
    layout = Layout(composed.corners, composed.labels, some)
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    return make_record(composed.pixels, layout, key=key, source_id="00042", config=config, anchors=anchors)[0]


@pytest.mark.parametrize("record", [SMALL, NOTHING, real_record(16)], ids=["small", "no objects", "real"])
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
    assert set(decode_example(encode_record(NOTHING))) == set(features) - {SOURCE_SIZE, TRUTH_NAME, IMAGE_ID}


@pytest.mark.parametrize(
    ("record", "digest"),
    [
        (SMALL, "3bbcc7eede05203dc1d0f77839bd3e462189fd7c9333ad5b95a4c7de5a4b7412"),
        (NOTHING, "e9843d7c1ede625fc7579e86021b59216bfdcb440a75e31dfa0fd87c299cbb80"),
    ],
    ids=["small", "no objects"],
)
def test_the_bytes_of_a_record_are_pinned(record: Record, digest: str) -> None:
    assert hashlib.sha256(encode_record(record)).hexdigest() == digest


def test_equal_records_give_equal_bytes_whatever_their_memory() -> None:
    targets = dataclasses.replace(FIRST.targets, offsets=np.asfortranarray(FIRST.targets.offsets))
    view = dataclasses.replace(FIRST, boxes=np.asfortranarray(FIRST.boxes), targets=targets)
    assert encode_record(dataclasses.replace(SMALL, views=(view, SECOND))) == encode_record(SMALL)


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
def test_a_image_of_another_size_is_refused(size: tuple[int, int]) -> None:
    record = dataclasses.replace(SMALL, height=size[0], width=size[1])
    with pytest.raises(ValueError, match=f"^raw image must have {size[0] * size[1] * 3} bytes, got 18$"):
        record.image()


def test_a_image_without_objects_has_ground_truth_too() -> None:
    truth = unpack_ground_truth(b"")
    record = decode_record(encode_record(dataclasses.replace(SMALL, truth=truth)))
    assert record.truth is not None and len(record.truth) == 0


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
    assert set(feature) - set(second.features.feature) == {
        "image/source_size",
        "image/ground_truth",
        "image/source_image_id",
    }
    (truth,) = feature["image/ground_truth"].bytes_list.value
    assert tf.io.decode_raw(truth, tf.float64).numpy()[:8].tolist() == [2.5, 5, 10, 15, 3, 0, 0, 75]
    words = tf.io.decode_raw(feature["image/views"].bytes_list.value[0], tf.int32).numpy()
    assert words[:12].tolist() == [0, 0, 2, 3, 3, 5, 2, 3, 0, 3, 2, 2]
    assert words[12:18].tolist() == [0, 5, 300_000, 3, 3, 200]
    assert words[18:30].view(np.float32).tolist() == [i / 8 for i in range(12)]
    assert words[30:34].tolist() == [1, 2, 3, 200]
    assert words[34:].view(np.float32).tolist() == FIRST.boxes.ravel().tolist()
