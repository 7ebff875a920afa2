"""What augmentation does to a batch: small cases by hand, and targets against those matched afresh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.augmentation import augment_batch, change_colours, cut_out, flip_canvases, step_key
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import MatchingConfig
from pipeline.config.run_config import AugmentConfig
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from pipeline.geometry.targets import encode_targets
from pipeline.reader.dataset import Reader
from pipeline.reader.parsing import IGNORED
from tests.record_sets import TINY

BACKGROUND = 3
ROW = Anchors((FeatureMap((1, 2), ((0.5, 0.5), (0.5, 1.0))), FeatureMap((1, 1), ((1.0, 1.0),))))  # 5 anchors


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(list(shape)).integers(0, 256, shape, dtype=np.uint8)


def dense_targets(
    boxes: np.ndarray, label: int, anchors: Anchors, matching: MatchingConfig
) -> tuple[dict[str, np.ndarray], float]:
    """Dense targets of a picture with one object, [1, N] and [1, N, 4], and the best IoU of that object."""
    targets, matches = encode_targets(boxes.astype(np.float32), np.array([label]), anchors=anchors, matching=matching)
    classes, offsets = np.full((1, len(anchors)), BACKGROUND, np.int32), np.zeros((1, len(anchors), 4), np.float32)
    classes[0, targets.anchors], classes[0, targets.ignored] = targets.classes, IGNORED
    offsets[0, targets.anchors] = targets.offsets
    return {"classes": classes, "offsets": offsets}, float(matches.best_iou[0])


def test_a_flip_by_hand() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    classes = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]], np.int32)
    offsets = np.zeros((2, 5, 4), np.float32)
    offsets[:, 1] = [0.1, 0.2, 0.3, 0.4]
    flipped, targets = flip_canvases(images, {"classes": classes, "offsets": offsets}, tf.constant([False, True]), ROW)
    np.testing.assert_array_equal(flipped[0], images[0])
    np.testing.assert_array_equal(flipped[1], [[[9, 10, 11], [6, 7, 8]]])
    np.testing.assert_array_equal(targets["classes"], [[0, 1, 2, 3, 4], [2, 3, 0, 1, 4]])
    np.testing.assert_array_equal(targets["offsets"][0], offsets[0])
    expected = np.zeros((5, 4), np.float32)
    expected[3] = [0.1, -0.2, 0.3, 0.4]
    np.testing.assert_array_equal(targets["offsets"][1], expected)


@pytest.mark.parametrize("chosen", [[False] * 4, [True] * 4, [True, False, False, True]])
def test_flipping_twice_changes_nothing(chosen: list[bool]) -> None:
    anchors = make_anchors(TINY.anchors, 64)
    bits = np.random.default_rng(0)
    targets = {
        "classes": bits.integers(-1, 4, (4, len(anchors)), dtype=np.int32),
        "offsets": bits.normal(size=(4, len(anchors), 4)).astype(np.float32),
    }
    images = noise(4, 64, 64, 3)
    once_images, once = flip_canvases(images, targets, tf.constant(chosen), anchors)
    twice_images, twice = flip_canvases(once_images, once, tf.constant(chosen), anchors)
    assert np.array_equal(once_images, images) == (not any(chosen))
    np.testing.assert_array_equal(twice_images, images)
    for name in targets:
        assert np.array_equal(once[name], targets[name]) == (not any(chosen))
        np.testing.assert_array_equal(twice[name], targets[name])
        assert twice[name].dtype == targets[name].dtype


@pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)
def test_flipped_targets_are_those_of_the_mirrored_object(anchor_config: Any, matching: MatchingConfig) -> None:
    """Where its best IoU is below the threshold, a tie decides which anchor it gets."""
    anchors, canvas, bits = make_anchors(anchor_config, 224), 224, np.random.default_rng(1)
    found: list[dict[str, np.ndarray]] = []
    expected: list[dict[str, np.ndarray]] = []
    while len(found) < 60:
        height, width = bits.integers(20, 120, 2)
        ymin, xmin = bits.integers(0, canvas - height), bits.integers(0, canvas - width)
        boxes = np.array([[ymin, xmin, ymin + height, xmin + width]]) / canvas
        targets, best_iou = dense_targets(boxes, 1, anchors, matching)
        if best_iou >= matching.positive_iou:
            found.append(targets)
            expected.append(
                dense_targets(boxes[:, [0, 3, 2, 1]] * [1, -1, 1, -1] + [0, 1, 0, 1], 1, anchors, matching)[0]
            )
    batch = {name: np.concatenate([targets[name] for targets in found]) for name in found[0]}
    chosen = bits.integers(0, 2, len(found)).astype(bool)
    _, flipped = flip_canvases(noise(len(found), 2, 2, 3), batch, tf.constant(chosen), anchors)
    for k, (plain, mirrored) in enumerate(zip(found, expected, strict=True)):
        wanted = mirrored if chosen[k] else plain
        np.testing.assert_array_equal(flipped["classes"][k], wanted["classes"][0])
        np.testing.assert_allclose(flipped["offsets"][k], wanted["offsets"][0], rtol=0, atol=1e-5)


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


def test_black_stays_black_and_every_picture_has_colours_of_its_own() -> None:
    images = np.tile(noise(1, 16, 16, 3), (6, 1, 1, 1))
    images[:, :5] = 0
    changed, _ = augment_batch(images, {}, AugmentConfig(colour=0.5), anchors=ROW, key=step_key(0, 0))
    assert not changed[:, :5].numpy().any()
    assert len({picture.tobytes() for picture in [*changed.numpy(), images[0]]}) == 7


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
    cut, _ = augment_batch(images, {}, config, anchors=ROW, key=step_key(1, 2))
    covered = (cut.numpy()[..., 0] == 0).mean(axis=0)
    np.testing.assert_allclose(covered, np.full((6, 6), 9 / 64), rtol=0, atol=0.025)  # 8 × 8 places; 4.5 deviations


def test_what_a_key_draws_depends_on_seed_step_and_reader() -> None:
    keys = [step_key(0, 0), step_key(1, 0), step_key(0, 1), step_key(0, 0, Reader(1, 2))]
    assert len({tuple(key.numpy().tolist()) for key in keys}) == 4
    images = np.full((2, 16, 16, 3), 100, np.uint8)
    drawn = [augment_batch(images, {}, AugmentConfig(colour=0.5), anchors=ROW, key=key)[0].numpy() for key in keys]
    assert len({picture.tobytes() for pictures in drawn for picture in pictures}) == 8
