"""What batches hold: dense targets, painted canvases, views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf

from pipeline.compositions.composition import GroundTruth, SourceImage
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.resize import resize
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.boxes import areas
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.dataset import list_keys_of_step, read_evaluation_batches, read_training_batches
from pipeline.reader.unpack import IGNORED, unpack
from tests.one_record import make_record
from tests.pipeline.reader.batches import batches, canvas, dense, dense_batches, same
from tests.record_sets import TINY, collage_of, make_records, with_format, without_objects, write_record_set


def test_training_batches_hold_each_record_once_with_its_canvas_and_scatter_targets(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_encoded_images_read_like_the_image_library_does(tmp_path: Path, image_format: str) -> None:
    config = with_format(TINY, image_format)
    records = make_records(config, "test", 5)
    manifest = write_record_set(tmp_path, config=config, records={"train": [], "val": [], "test": records})
    found: dict[str, np.ndarray] = {}
    for images, truth in read_evaluation_batches(manifest, "test", batch=2).as_numpy_iterator():
        found.update(zip([key.decode() for key in truth["keys"]], images, strict=True))
    for record in records:
        np.testing.assert_array_equal(found[record.key], canvas(record))


VIEWS = replace(TINY, views=5, composition=msgspec.structs.replace(collage_of(TINY), flip=True))


def test_sparse_batches_unpack_to_the_dense_ones(tmp_path: Path) -> None:
    """Both ways of laying images on canvases, and under XLA too; images of several sizes, some mirrored."""
    manifest = write_record_set(tmp_path, config=VIEWS, train=16)
    spec = make_batch_spec(manifest, "train")
    by_matrices = tf.function(lambda batch: unpack(batch, spec, by_matrices=True), autograph=False)
    compiled = tf.function(lambda batch: unpack(batch, spec, by_matrices=True), autograph=False, jit_compile=True)
    for start in (0, 9):
        (sparse,) = read_training_batches(manifest, batch=16, seed=0, start_step=start).take(1)
        expected = batches(dense_batches(manifest, batch=16, seed=0, start_step=start), 1)
        assert same([unpack(sparse, spec)], expected)
        assert same([by_matrices(sparse)], expected)
        assert same([compiled(sparse)], expected)


def test_evaluation_on_train_shows_the_first_view_of_each_record(tmp_path: Path) -> None:
    """It asked for records of one view, and failed at the first batch."""
    records = {"train": make_records(VIEWS, "train", 5), "val": [], "test": []}
    manifest = write_record_set(tmp_path, config=VIEWS, records=records)
    found: dict[bytes, np.ndarray] = {}
    for images, truth in read_evaluation_batches(manifest, "train", batch=2).as_numpy_iterator():
        found |= dict(zip(truth["keys"], images, strict=True))
    assert len(found) == 5
    for record in records["train"]:
        np.testing.assert_array_equal(found[record.key.encode()], canvas(record, 0))


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
def test_letterboxed_images_are_cropped_scaled_and_mirrored(tmp_path: Path) -> None:
    """Nothing is scaled where a view's part has the size of its place; elsewhere the pixels are close to OpenCV's."""
    config = replace(TINY, composition=Letterbox(canvas=(64, 64)), views=12)
    anchors = make_anchors(config.anchors, (64, 64))
    bits = np.random.default_rng(4)
    records = []
    for number, shape in enumerate([(64, 48), (40, 64), (200, 150), (30, 90)]):
        rough = bits.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        pixels = resize(rough, shape)  # smooth, so that ways to scale agree
        corners = np.array([[4.0, 6, shape[0] - 8, shape[1] - 9]])
        key = f"train/train-{number}/0"
        no = np.zeros(1, bool)
        truth = GroundTruth(corners, np.array([number % 3]), no, no, no, areas(corners))
        own = SourceImage(shape, truth=truth)
        layout = config.composition.layout(own, views=12, bits=EntryBits(config.seed, key))
        records.append(make_record(pixels, layout, key=key, config=config, anchors=anchors)[0])
    manifest = write_record_set(tmp_path, config=config, records={"train": records, "val": [], "test": []})
    spec, by_key = make_batch_spec(manifest, "train"), {r.key: r for r in records}
    exact = 0
    for step in range(12):
        (sparse,) = read_training_batches(manifest, batch=4, seed=0, start_step=step).take(1)
        expected = batches(dense_batches(manifest, batch=4, seed=0, start_step=step), 1)
        assert same([unpack(sparse, spec)], expected) and same([unpack(sparse, spec, by_matrices=True)], expected)
        for key, image in zip(list_keys_of_step(manifest, batch=4, seed=0, step=step), expected[0][0], strict=True):
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


def test_a_image_without_objects_is_all_background(tmp_path: Path) -> None:
    empty = without_objects(make_records(TINY, "train", 1)[0])
    manifest = write_record_set(tmp_path, records={"train": [empty], "val": [], "test": [empty]})
    ((_, scatter_targets),) = batches(dense_batches(manifest, batch=1, seed=0), 1)
    assert (scatter_targets["classes"] == manifest.background).all() and not scatter_targets["offsets"].any()
    ((_, truth),) = list(read_evaluation_batches(manifest, "test", batch=3))
    assert truth["boxes"].shape.as_list() == [1, None, 4] and truth["labels"].row_lengths().numpy().tolist() == [0]
