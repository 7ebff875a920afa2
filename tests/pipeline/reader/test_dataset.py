"""The reader: dense targets, painted canvases, orders that can be found again, errors that name the shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.records_config import Letterbox, ShardCounts
from pipeline.errors import UserError
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.boxes import areas
from pipeline.geometry.targets import Targets
from pipeline.reader.dataset import (
    Reader,
    evaluation_batches,
    keys_of_step,
    named_read_errors,
    steps_per_pass,
    training_batches,
)
from pipeline.reader.feed import feed_of
from pipeline.reader.unpack import IGNORED, unpack
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.make_record import Layout, SourcePicture, make_record
from pipeline.records.manifest import Manifest
from pipeline.records.record import Record, encode_record
from pipeline.records.tf_example import decode_example, encode_example
from pipeline.views.collage import resize
from pipeline.views.letterbox import letterbox_views
from pipeline.views.paint import paint_view
from pipeline.views.random_bits import bits_of_views
from tests.pipeline.reader.altered_view import change_view
from tests.record_sets import TINY, collage_of, make_records, with_format, write_record_set


def batches(dataset: tf.data.Dataset, count: int) -> list[Any]:
    return list(dataset.take(count).as_numpy_iterator())


def same(some: Iterable[Any], others: Iterable[Any]) -> bool:
    pairs = zip(tf.nest.flatten(list(some)), tf.nest.flatten(list(others)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def dense_batches(manifest: Manifest, **how: Any) -> tf.data.Dataset:
    return training_batches(manifest, dense=True, **how)


def canvas(record: Record, number: int = 0) -> np.ndarray:
    """The canvas of a view."""
    return paint_view(record.picture(), record.views[number].view, size=TINY.canvas_size)


def dense(record: Record, manifest: Manifest, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A view's targets, one anchor after the other."""
    sparse = record.views[number].targets
    classes = np.full(len(manifest.anchors), manifest.background, np.int32)
    offsets = np.zeros((len(manifest.anchors), 4), np.float32)
    for k, anchor in enumerate(sparse.anchors):
        classes[anchor] = sparse.classes[k]
        offsets[anchor] = sparse.offsets[k]
    for anchor in sparse.ignored:
        classes[anchor] = IGNORED
    return classes, offsets


def test_training_batches_hold_each_record_once_with_its_canvas_and_dense_targets(tmp_path: Path) -> None:
    records = {"train": make_records(TINY, "train", 12), "val": [], "test": []}
    manifest = write_record_set(tmp_path, records=records)
    expected = {canvas(r).tobytes(): dense(r, manifest) for r in records["train"]}
    assert len(expected) == 12
    for images, targets in batches(dense_batches(manifest, batch=4, seed=0), 3):
        assert images.dtype == np.uint8 and targets["classes"].dtype == np.int32
        for image, classes, offsets in zip(images, targets["classes"], targets["offsets"], strict=True):
            expected_classes, expected_offsets = expected.pop(image.tobytes())
            np.testing.assert_array_equal(classes, expected_classes)
            np.testing.assert_array_equal(offsets, expected_offsets)
    assert not expected
    assert any((dense(r, manifest)[0] == IGNORED).any() for r in records["train"])


@pytest.mark.parametrize("picture_format", ["png", "jpeg"])
def test_encoded_pictures_read_like_the_image_library_does(tmp_path: Path, picture_format: str) -> None:
    config = with_format(TINY, picture_format)
    records = make_records(config, "test", 5)
    manifest = write_record_set(tmp_path, config=config, records={"train": [], "val": [], "test": records})
    found: dict[str, np.ndarray] = {}
    for images, truth in evaluation_batches(manifest, "test", batch=2).as_numpy_iterator():
        found.update(zip([key.decode() for key in truth["keys"]], images, strict=True))
    for record in records:
        np.testing.assert_array_equal(found[record.key], canvas(record))


VIEWS = replace(TINY, views=5, collage=replace(collage_of(TINY), flip=True))


def test_sparse_batches_unpack_to_the_dense_ones(tmp_path: Path) -> None:
    """Both ways of laying pictures on canvases, and under XLA too; pictures of several sizes, some mirrored."""
    manifest = write_record_set(tmp_path, config=VIEWS, train=16)
    feed = feed_of(manifest, "train")
    by_matrices = tf.function(lambda batch: unpack(batch, feed, by_matrices=True), autograph=False)
    compiled = tf.function(lambda batch: unpack(batch, feed, by_matrices=True), autograph=False, jit_compile=True)
    for start in (0, 9):
        (sparse,) = training_batches(manifest, batch=16, seed=0, start_step=start).take(1)
        expected = batches(dense_batches(manifest, batch=16, seed=0, start_step=start), 1)
        assert same([unpack(sparse, feed)], expected)
        assert same([by_matrices(sparse)], expected)
        assert same([compiled(sparse)], expected)


def test_every_pass_shows_another_view_until_all_were_seen(tmp_path: Path) -> None:
    records = {"train": make_records(VIEWS, "train", 9), "val": [], "test": []}
    manifest = write_record_set(tmp_path, config=VIEWS, records=records)
    of_canvas = {canvas(r, n).tobytes(): (r.key, n) for r in records["train"] for n in range(5)}
    assert len(of_canvas) == 45
    by_key = {r.key: r for r in records["train"]}
    seen: dict[str, list[int]] = {key: [] for key in by_key}
    for images, targets in batches(dense_batches(manifest, batch=9, seed=3), 11):
        for image, classes, offsets in zip(images, targets["classes"], targets["offsets"], strict=True):
            key, number = of_canvas[image.tobytes()]
            seen[key].append(number)
            expected_classes, expected_offsets = dense(by_key[key], manifest, number)
            np.testing.assert_array_equal(classes, expected_classes)
            np.testing.assert_array_equal(offsets, expected_offsets)
    assert all([(numbers[0] + p) % 5 for p in range(11)] == numbers for numbers in seen.values())
    assert len({numbers[0] for numbers in seen.values()}) > 1  # not all records begin with the same view


@pytest.mark.long
def test_letterboxed_pictures_are_cropped_scaled_and_mirrored(tmp_path: Path) -> None:
    """Nothing is scaled where a view's part has the size of its place; elsewhere the pixels are close to OpenCV's."""
    letterbox = Letterbox(size=64)
    config = replace(TINY, collage=None, letterbox=letterbox, views=12)
    anchors = make_anchors(config.anchors, 64)
    bits = np.random.default_rng(4)
    records = []
    for number, shape in enumerate([(64, 48), (40, 64), (200, 150), (30, 90)]):
        rough = bits.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        pixels = resize(rough, *shape)  # smooth, so that ways to scale agree
        corners = np.array([[4.0, 6, shape[0] - 8, shape[1] - 9]])
        key = f"train/train-{number}/0"
        views = letterbox_views(letterbox, shape, corners, count=12, bits_of=bits_of_views(config.seed, key))
        no = np.zeros(1, bool)
        truth = GroundTruth(corners, np.array([number % 3]), crowd=no, difficult=no, area=areas(corners))
        layout = Layout(corners, np.array([number % 3]), views)
        records.append(
            make_record(
                pixels,
                layout,
                key=key,
                source_id=f"train-{number}",
                config=config,
                anchors=anchors,
                source=SourcePicture(shape, truth),
            )[0]
        )
    manifest = write_record_set(tmp_path, config=config, records={"train": records, "val": [], "test": []})
    feed, by_key = feed_of(manifest, "train"), {r.key: r for r in records}
    exact = 0
    for step in range(12):
        (sparse,) = training_batches(manifest, batch=4, seed=0, start_step=step).take(1)
        expected = batches(dense_batches(manifest, batch=4, seed=0, start_step=step), 1)
        assert same([unpack(sparse, feed)], expected) and same([unpack(sparse, feed, by_matrices=True)], expected)
        for key, image in zip(keys_of_step(manifest, batch=4, seed=0, step=step), expected[0][0], strict=True):
            first = int(tf.strings.to_hash_bucket_fast(key, 12))
            record, number = by_key[key], (first + step) % 12
            view = record.views[number].view
            painted = canvas(record, number)
            if (view.shown.height, view.shown.width) == (view.place.height, view.place.width):
                np.testing.assert_array_equal(image, painted)
                exact += 1
            else:
                assert np.abs(image.astype(int) - painted).mean() < 6, (key, number, view)
            outside = np.ones((64, 64), bool)
            place = view.place
            outside[place.ymin : place.ymin + place.height, place.xmin : place.xmin + place.width] = False
            assert not image[outside].any()
    assert exact >= 2


def test_evaluation_keeps_the_order_of_the_files_and_the_last_partial_batch(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, test=10)
    records = {r.key: r for r in make_records(TINY, "test", 10)}
    keys, sizes = [], []
    for images, truth in evaluation_batches(manifest, "test", batch=4):
        sizes.append(len(images))
        for k, key in enumerate(truth["keys"].numpy()):
            record = records[key.decode()]
            keys.append(record.key)
            np.testing.assert_array_equal(truth["boxes"][k].numpy(), record.views[0].boxes)
            np.testing.assert_array_equal(truth["labels"][k].numpy(), record.views[0].labels)
    assert sizes == [4, 4, 2]
    assert keys == [f"test/test-{i}/0" for i in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)]
    limited = evaluation_batches(manifest, "test", batch=4, limit=5)
    assert [len(images) for images, _ in limited] == [4, 1]


def test_an_order_depends_on_seed_and_pass_alone(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=24)
    once, again = (batches(training_batches(manifest, batch=8, seed=1), 6) for _ in range(2))
    assert same(once, again)
    assert not same(once[:3], once[3:])  # the second pass has another order
    assert not same(once, batches(training_batches(manifest, batch=8, seed=2), 6))
    tf.random.set_seed(3)
    assert same(once, batches(training_batches(manifest, batch=8, seed=1), 6))
    serial = training_batches(manifest, batch=8, seed=1, parallel_calls=1)
    assert same(once, batches(serial, 6))


@pytest.mark.parametrize("start_step", [1, 2, 3, 7])
def test_a_stream_begins_at_any_step(tmp_path: Path, start_step: int) -> None:
    manifest = write_record_set(tmp_path, train=26)  # 3 batches of 8 a pass, 2 records left over
    assert steps_per_pass(manifest, 8) == 3
    whole = batches(training_batches(manifest, batch=8, seed=5), 10)
    assert same(
        whole[start_step:],
        batches(training_batches(manifest, batch=8, seed=5, start_step=start_step), 10 - start_step),
    )


def test_records_left_over_in_one_pass_come_in_another(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=10)
    seen = {image.tobytes() for images, _ in batches(dense_batches(manifest, batch=8, seed=0), 8) for image in images}
    assert len(seen) == 10


def test_readers_share_the_shards_and_no_record_is_read_by_two(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=25)  # shards of 9, 8 and 8 records
    assert steps_per_pass(manifest, 6, readers=3) == 4
    pictures = {canvas(r).tobytes(): r.key for r in make_records(TINY, "train", 25)}
    seen = []
    for index in range(3):
        reader = Reader(index, 3)
        parts = batches(dense_batches(manifest, batch=6, seed=1, reader=reader), 8)
        own = [[pictures[image.tobytes()] for image in images] for images, _ in parts]
        assert all(len(keys) == 2 for keys in own)
        assert len({key for keys in own[:4] for key in keys}) == 8  # one pass: nothing twice
        seen.append({key for keys in own for key in keys})
        later = dense_batches(manifest, batch=6, seed=1, start_step=5, reader=reader)
        assert same(parts[5:], batches(later, 3))
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_more_readers_than_shards_say_how_many_shards_are_needed(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=8)
    with pytest.raises(UserError, match=r"must have at least 4 training shards, one for each worker, got 3"):
        training_batches(manifest, batch=4, seed=0, reader=Reader(0, 4))


@pytest.mark.parametrize("readers", [1, 2])
def test_the_keys_of_a_step_are_those_of_its_pictures(tmp_path: Path, readers: int) -> None:
    manifest = write_record_set(tmp_path, train=26)
    pictures = {canvas(r).tobytes(): r.key for r in make_records(TINY, "train", 26)}
    for step in (0, 2, 7):
        parts = [
            dense_batches(manifest, batch=8, seed=5, start_step=step, reader=Reader(index, readers)).take(1)
            for index in range(readers)
        ]
        expected = [pictures[image.tobytes()] for part in parts for images, _ in part for image in images.numpy()]
        assert keys_of_step(manifest, batch=8, seed=5, step=step, readers=readers) == expected


def test_a_picture_without_objects_is_all_background(tmp_path: Path) -> None:
    record = make_records(TINY, "train", 1)[0]
    none, nowhere = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    view = replace(record.views[0], boxes=nowhere, labels=none, targets=Targets(none, none, nowhere, none))
    empty = replace(record, views=(view,))
    manifest = write_record_set(tmp_path, records={"train": [empty], "val": [], "test": [empty]})
    ((_, dense_targets),) = batches(dense_batches(manifest, batch=1, seed=0), 1)
    assert (dense_targets["classes"] == manifest.background).all() and not dense_targets["offsets"].any()
    ((_, truth),) = list(evaluation_batches(manifest, "test", batch=3))
    assert truth["boxes"].shape.as_list() == [1, None, 4] and truth["labels"].row_lengths().numpy().tolist() == [0]


def test_too_few_records_for_a_batch_say_so(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=5)
    with pytest.raises(UserError, match=r"--batch must be at most the 5 training records of .*, got 8"):
        training_batches(manifest, batch=8, seed=0)


def test_a_flipped_bit_names_the_shard(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    path = tmp_path / manifest.shards["train"][1].name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match=path.name), named_read_errors(manifest, "train"):
        batches(training_batches(manifest, batch=4, seed=0), 6)


def test_a_shard_that_goes_away_is_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    path = tmp_path / manifest.shards["test"][1].name
    path.unlink()
    with pytest.raises(UserError, match=path.name), named_read_errors(manifest, "test"):
        batches(evaluation_batches(manifest, "test", batch=4), 6)


ONE_SHARD = replace(TINY, shards=ShardCounts(train=1, val=1, test=1))

Change = Callable[[dict[str, Any]], None]


def set_with_one_altered(folder: Path, split: str, change: Change, picture_format: str = "raw") -> Manifest:
    """A record set with honest checksums, and one feature altered in the third record of a split."""
    config = with_format(ONE_SHARD, picture_format)
    serialized = [encode_record(record) for record in make_records(config, split, 5)]
    features: dict[str, Any] = decode_example(serialized[2])
    change(features)
    serialized[2] = encode_example(features)
    return write_record_set(folder, config=config, train=5, val=1, test=5, serialized={split: serialized})


def read_all(manifest: Manifest, split: str) -> None:
    with named_read_errors(manifest, split):
        if split == "train":
            batches(training_batches(manifest, batch=5, seed=0), 1)
        else:
            batches(evaluation_batches(manifest, split, batch=2), 3)


def bad_class(features: dict[str, Any]) -> None:
    change_view(features, lambda view: view.targets.classes.__iadd__(999))


def bad_box(features: dict[str, Any]) -> None:
    change_view(features, lambda view: view.boxes.fill(np.nan))


def bad_picture(features: dict[str, Any]) -> None:
    features["image/encoded"] = [b"\x89PNG"]


def bad_kind(features: dict[str, Any]) -> None:
    features["image/views"] = np.arange(3)


@pytest.mark.parametrize(
    ("split", "feature", "change", "picture_format"),
    [
        ("train", "image/views[0]: classes must", bad_class, "raw"),
        ("train", "image/encoded: png picture must", bad_picture, "png"),
        ("train", "image/views must", bad_kind, "raw"),
        ("test", "image/views[0]: boxes must", bad_box, "raw"),
    ],
)
def test_a_record_that_contradicts_the_manifest_is_named(
    split: str, feature: str, change: Change, picture_format: str, tmp_path: Path
) -> None:
    manifest = set_with_one_altered(tmp_path, split, change, picture_format)
    with pytest.raises(UserError) as refused:
        read_all(manifest, split)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path / manifest.shards[split][0].name}: record 2: {feature}"), message
    assert "\n" not in message and len(message) < 1000


def test_an_error_that_is_not_of_the_records_stays_what_it_is(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"), named_read_errors(manifest, "train"):
        raise tf.errors.InvalidArgumentError(None, None, "mine, of an Iterator")


def test_no_training_records_at_all_say_so(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=0)
    with pytest.raises(UserError, match=r"^[^\n]* has no training records; choose another record set[^\n]*$"):
        training_batches(manifest, batch=1, seed=0)
