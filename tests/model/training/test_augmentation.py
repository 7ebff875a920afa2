"""What augmentation does to a batch: small cases by hand, and targets against those matched afresh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.augmentation import (
    COLOURS,
    CUTOUTS,
    change_colours,
    check_flips,
    cut_out,
    find_cutout_side,
    make_draws,
    make_step_key,
)
from pipeline.compositions.view import Rectangle, View, move_boxes_to_view
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.run_config import AugmentConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from pipeline.geometry.matching import MatchingConfig
from pipeline.geometry.targets import Targets
from pipeline.reader.batch_spec import BatchSpec
from pipeline.reader.dataset import Reader
from pipeline.reader.unpack import scatter_targets, unpack
from pipeline.records.packed_view import RecordView, pack_view
from tests.one_view import encode_targets

BACKGROUND = 3
ROW = Anchors((FeatureMap((1, 2), ((0.5, 0.5), (0.5, 1.0))), FeatureMap((1, 1), ((1.0, 1.0),))))  # 5 anchors


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(list(shape)).integers(0, 256, shape, dtype=np.uint8)


def make_spec(anchors: Anchors, size: int, *, height: int, width: int, positives: int, ignored: int) -> BatchSpec:
    return BatchSpec(
        canvas=(size, size),
        anchors=anchors,
        background=BACKGROUND,
        height=height,
        width=width,
        same_size=True,
        mirrors=False,
        positives=positives,
        ignored=ignored,
        boxes=2,
    )


def words_of(view: RecordView, spec: BatchSpec) -> np.ndarray:
    """The words of a view as a batch holds them."""
    words = np.frombuffer(pack_view(view), "<i4")[: spec.words]
    return np.pad(words, (0, spec.words - len(words)))


def matched_view(
    rectangle: Rectangle, size: int, anchors: Anchors, matching: MatchingConfig
) -> tuple[RecordView, float]:
    """A view of one object that is the whole image, and the object's best IoU."""
    view = View(Rectangle(0, 0, rectangle.height, rectangle.width), rectangle, mirrored=False)
    boxes, _ = move_boxes_to_view(view, np.array([[0.0, 0, rectangle.height, rectangle.width]]), canvas=(size, size))
    targets, matches = encode_targets(boxes, np.array([1]), anchors=anchors, matching=matching)
    return RecordView(view, boxes, np.array([1]), targets), float(matches.best_iou[0])


def test_a_flip_by_hand() -> None:
    spec = make_spec(ROW, 4, height=1, width=2, positives=2, ignored=1)
    offsets = np.array([[0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]], np.float32)
    labels, boxes = np.array([0, 2]), np.zeros((2, 4), np.float32)
    targets = Targets(np.array([1, 4]), labels, offsets, np.array([2]), np.array([0, 1]))
    view = View(Rectangle(0, 0, 1, 2), Rectangle(2, 0, 1, 2), mirrored=False)
    words = words_of(RecordView(view, boxes, labels, targets), spec)
    stored = np.arange(1, 7, dtype=np.uint8).reshape(1, 1, 2, 3)
    batch = {"images": np.repeat(stored, 2, axis=0), "words": np.stack([words, words])}
    for by_matrices in (False, True):
        images, dense = unpack(batch, spec, flips=tf.constant([False, True]), by_matrices=by_matrices)
        expected = np.zeros((2, 4, 4, 3), np.uint8)
        expected[0, 2, :2] = [[1, 2, 3], [4, 5, 6]]
        expected[1, 2, 2:] = [[4, 5, 6], [1, 2, 3]]
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(dense["classes"], [[3, 0, -1, 3, 2], [-1, 3, 3, 0, 2]])
        offsets = np.zeros((2, 5, 4), np.float32)
        offsets[0, 1], offsets[0, 4] = [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]
        offsets[1, 3], offsets[1, 4] = [0.1, -0.2, 0.3, 0.4], [1, -2, 3, 4]
        np.testing.assert_array_equal(dense["offsets"], offsets)


@pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)
def test_flipped_targets_are_those_of_the_mirrored_object(anchor_config: Any, matching: MatchingConfig) -> None:
    """Where its best IoU is below the threshold, a tie decides which anchor it gets."""
    anchors, size, bits = make_anchors(anchor_config, (224, 224)), 224, np.random.default_rng(1)
    found: list[RecordView] = []
    expected: list[RecordView] = []
    while len(found) < 60:
        height, width = bits.integers(20, 120, 2).tolist()
        ymin, xmin = int(bits.integers(0, size - height)), int(bits.integers(0, size - width))
        view, best_iou = matched_view(Rectangle(ymin, xmin, height, width), size, anchors, matching)
        if best_iou >= matching.positive_iou:
            found.append(view)
            mirrored = Rectangle(ymin, size - xmin - width, height, width)
            expected.append(matched_view(mirrored, size, anchors, matching)[0])
    positives, ignored = (max(len(getattr(v.targets, name)) for v in found) for name in ("anchors", "ignored"))
    spec = make_spec(anchors, size, height=120, width=120, positives=positives, ignored=ignored)
    chosen = bits.integers(0, 2, len(found)).astype(bool)
    flipped = scatter_targets(np.stack([words_of(view, spec) for view in found]), spec, tf.constant(chosen))
    wanted_views = [mirrored if flip else plain for flip, plain, mirrored in zip(chosen, found, expected, strict=True)]
    wanted = scatter_targets(np.stack([words_of(view, spec) for view in wanted_views]), spec)
    np.testing.assert_array_equal(flipped["classes"], wanted["classes"])
    np.testing.assert_allclose(flipped["offsets"], wanted["offsets"], rtol=0, atol=1e-5)


def test_colours_by_hand() -> None:
    pixels = np.array([[[0, 0, 0], [100, 100, 100], [200, 100, 50], [255, 255, 255]]], np.uint8)[None]
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50  # 124.2
    for factors, expected in (
        ([1, 1, 1, 1, 1], pixels[0, 0]),
        ([0.5, 1, 1, 1, 1], [[0, 0, 0], [50, 50, 50], [100, 50, 25], [128, 128, 128]]),
        ([1, 1, 0.5, 1, 2], [[0, 0, 0], [50, 100, 200], [100, 100, 100], [128, 255, 255]]),
        ([1, 0, 1, 1, 1], [[0, 0, 0], [100, 100, 100], [round(grey)] * 3, [255, 255, 255]]),
        ([1, 2, 1, 1, 1], [[0, 0, 0], [100, 100, 100], [255, round(200 - grey), 0], [255, 255, 255]]),
    ):
        changed = change_colours(pixels, tf.constant([factors], tf.float32))
        assert changed.dtype == tf.uint8
        np.testing.assert_array_equal(changed[0, 0], expected)


def test_black_stays_black_and_every_image_has_colours_of_its_own() -> None:
    images = np.tile(noise(1, 16, 16, 3), (6, 1, 1, 1))
    images[:, :5] = 0
    drawn = make_draws(6, AugmentConfig(colour=0.5), canvas=(16, 16), key=make_step_key(0, 0))
    changed = change_colours(images, drawn[COLOURS])
    assert not changed[:, :5].numpy().any()
    assert len({canvas.tobytes() for canvas in [*changed.numpy(), images[0]]}) == 7


def test_cut_outs_by_hand() -> None:
    images = np.full((2, 4, 5, 3), 7, np.uint8)
    corners = tf.constant([[[-1, -1], [2, 3]], [[1, 1], [1, 2]]])
    expected = [
        [[0, 7, 7, 7, 7], [7, 7, 7, 7, 7], [7, 7, 7, 0, 0], [7, 7, 7, 0, 0]],
        [[7, 7, 7, 7, 7], [7, 0, 0, 0, 7], [7, 0, 0, 0, 7], [7, 7, 7, 7, 7]],
    ]
    np.testing.assert_array_equal(cut_out(images, corners, 2), np.repeat(np.array(expected)[..., None], 3, axis=3))


def test_cut_outs_cover_every_pixel_equally_often() -> None:
    images = np.full((4000, 6, 6, 3), 7, np.uint8)
    config = AugmentConfig(cutouts=1, cutout_side=0.5)
    corners = make_draws(4000, config, canvas=(6, 6), key=make_step_key(1, 2))[CUTOUTS]
    cut = cut_out(images, corners, find_cutout_side(config, (6, 6)))
    covered = (cut.numpy()[..., 0] == 0).mean(axis=0)
    np.testing.assert_allclose(covered, np.full((6, 6), 9 / 64), rtol=0, atol=0.025)  # 8 × 8 places; 4.5 deviations


def test_cut_outs_on_canvases_of_any_shape_begin_where_they_touch_them() -> None:
    """On a square canvas the numbers are those of one bounded draw, which they were before canvases had two sides."""
    config, key = AugmentConfig(cutouts=3, cutout_side=0.5), make_step_key(1, 2)
    square = make_draws(50, config, canvas=(8, 8), key=key)[CUTOUTS]
    folded = tf.random.experimental.stateless_fold_in(key, tf.constant(2, tf.int64), alg="philox")
    before = tf.random.stateless_uniform([50, 3, 2], folded, -3, 8, tf.int32, alg="philox")
    np.testing.assert_array_equal(square, before)
    wide = make_draws(4000, config, canvas=(8, 20), key=key)[CUTOUTS].numpy()
    assert find_cutout_side(config, (8, 20)) == 4
    assert wide.min(axis=(0, 1)).tolist() == [-3, -3] and wide.max(axis=(0, 1)).tolist() == [7, 19]


def test_what_a_key_draws_depends_on_seed_step_and_reader() -> None:
    keys = [make_step_key(0, 0), make_step_key(1, 0), make_step_key(0, 1), make_step_key(0, 0, Reader(1, 2))]
    assert len({tuple(key.numpy().tolist()) for key in keys}) == 4
    drawn = [make_draws(2, AugmentConfig(colour=0.5), canvas=(16, 16), key=key)[COLOURS].numpy() for key in keys]
    assert len({factors.tobytes() for batch in drawn for factors in batch}) == 8


def test_flips_are_refused_before_a_training_where_anchors_have_no_mirror_images() -> None:
    askew = make_anchors(replace(IMPROVED_ANCHORS, centers="stride"), (300, 300))
    check_flips(AugmentConfig(colour=0.5), askew)
    with pytest.raises(UserError, match="canvases cannot be mirrored"):
        check_flips(AugmentConfig(flip=True), askew)
