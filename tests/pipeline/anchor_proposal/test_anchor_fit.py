"""How anchors fit boxes: counted by hand, and against the IoU of every anchor."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anchor_proposal.anchor_fit import (
    POSITIVES_SAMPLE,
    SIZES,
    add_finer_maps,
    count_coverable,
    iou_at_distance,
    measure_distances,
    measure_fit,
)
from pipeline.config.presets import IMPROVED_ANCHORS
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors, place_centers
from pipeline.geometry.boxes import Array, corners_to_centroids, iou

pytestmark = pytest.mark.any_stack


def random_boxes(count: int, seed: int = 0) -> Array:
    """Boxes of all sizes that lie on the canvas."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(0.01), np.log(0.9), (count, 2)))
    low = rng.uniform(0, 1 - sizes)
    return np.concatenate([low, low + sizes], axis=1)


def test_a_fit_by_hand() -> None:
    """Four cells of a canvas of 100 pixels, with one box each, 50 pixels wide and high."""
    anchors = Anchors((FeatureMap((2, 2), ((0.5, 0.5),)),))
    boxes = np.array(
        [
            (0.0, 0.0, 0.5, 0.5),  # 50 pixels: an anchor itself
            (0.0, 0.0, 0.5, 0.25),  # 35 pixels: half of one
            (0.0, 0.0, 0.5, 0.24),  # 35 pixels: nearly half of one
            (0.0, 0.0, 1.0, 1.0),  # 100 pixels: a quarter of it in each
            (0.1, 0.1, 0.15, 0.15),  # 5 pixels
        ]
    )
    fit = measure_fit(boxes, anchors, canvas=(100, 100), positive_iou=0.25)
    assert fit.anchors == 4 and fit.boxes == 5
    assert fit.boxes_by_size == (1, 0, 0, 0, 3, 1) and fit.covered_by_size == (0, 0, 0, 0, 2, 0)
    assert fit.covered == 2 / 5 and fit.covered_from(8) == fit.covered_from(12) == 2 / 4
    assert fit.positives_per_map == ((1 + 1 + 1 + 4 + 0) / 5,)
    assert fit.lines() == [
        "coverage on 5 boxes: best IoU of at least 0.5 for 40.0%; 4 anchors, 1.4 positives a box, by map 1.4",
        "  by size in pixels: below 8 0.0% of 1, 32 to 96 66.7% of 3, from 96 0.0% of 1",
    ]


def test_a_size_on_the_border_of_two_groups_belongs_to_the_larger() -> None:
    anchors = Anchors((FeatureMap((1, 1), ((1.0, 1.0),)),))
    boxes = np.array([(0.0, 0.0, size / 320, size / 320) for size in SIZES[1:]])
    assert measure_fit(boxes, anchors, canvas=(320, 320), positive_iou=0.5).boxes_by_size == (0, 1, 1, 1, 1, 1)


def test_no_boxes_are_covered() -> None:
    fit = measure_fit(np.zeros((0, 4)), make_anchors(IMPROVED_ANCHORS, (64, 64)), canvas=(64, 64), positive_iou=0.5)
    assert fit.boxes == 0 and fit.covered == 1.0 and fit.positives == 0.0
    assert len(fit.lines()) == 1


def test_a_fit_agrees_with_the_iou_of_every_anchor() -> None:
    boxes = random_boxes(300)
    anchors = make_anchors(IMPROVED_ANCHORS, (128, 128))
    fit = measure_fit(boxes, anchors, canvas=(128, 128), positive_iou=0.4)
    overlaps = iou(boxes, anchors.corners)
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) * 128
    groups = [(sizes >= least) & (sizes < most) for least, most in zip(SIZES, (*SIZES[1:], 1e9), strict=True)]
    assert fit.boxes_by_size == tuple(group.sum() for group in groups)
    assert fit.covered_by_size == tuple((overlaps[group].max(axis=1, initial=0) >= 0.5).sum() for group in groups)
    assert fit.positives == pytest.approx((overlaps >= 0.4).sum() / 300)


def test_positives_of_many_boxes_are_those_of_a_sample() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (64, 64))
    many = random_boxes(2 * POSITIVES_SAMPLE + 1)
    fit = measure_fit(many, anchors, canvas=(64, 64), positive_iou=0.5)
    assert fit.boxes == len(many)
    assert fit.positives_per_map == measure_fit(many[::3], anchors, canvas=(64, 64), positive_iou=0.5).positives_per_map


@pytest.mark.parametrize("cells", [1, 3, 20])
def test_the_nearest_anchor_of_a_shape_is_the_best(cells: int) -> None:
    boxes = random_boxes(200)
    centroids = corners_to_centroids(boxes)
    for shape in ((0.1, 0.1), (0.3, 0.05), (0.6, 0.9)):
        anchors = Anchors((FeatureMap((cells, cells), (shape,)),))
        distances = measure_distances(centroids[:, :2], (cells, cells), place_centers(cells, cells))
        near = iou_at_distance(centroids[:, 2:], distances, np.array(shape))
        np.testing.assert_allclose(near, iou(boxes, anchors.corners).max(axis=1), atol=1e-12)


def test_no_shape_covers_more_than_what_is_possible() -> None:
    boxes = random_boxes(300)
    boxes[:, 2:] = boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2]) * 0.1  # small ones
    stride, size = 16, 320
    possible = count_coverable(boxes, canvas=(size, size), strides=(stride,))
    sides = np.exp(np.linspace(np.log(0.004), np.log(0.3), 24))
    shapes = tuple((float(height), float(width)) for height in sides for width in sides)
    anchors = Anchors((FeatureMap((size // stride, size // stride), shapes),))
    reached = measure_fit(boxes, anchors, canvas=(size, size), positive_iou=0.5).covered_by_size
    assert all(a <= b for a, b in zip(reached, possible, strict=True))
    assert sum(possible) - sum(reached) <= 0.05 * len(boxes)  # so many shapes come close to it
    assert 0 < sum(possible) < len(boxes)


def test_a_finer_map_is_added_if_it_reaches_a_twentieth_of_the_boxes() -> None:
    big = np.tile([(0.2, 0.2, 0.6, 0.6)], (19, 1))
    side = 5 / 320
    for count, expected in ((0, (8, 16)), (1, (4, 8, 16))):
        # Its centre is one of stride 4, and three pixels from those of stride 8.
        small = np.tile([(2 / 320, 2 / 320, 2 / 320, 2 / 320)], (count, 1)) + np.array([-side, -side, side, side]) / 2
        boxes = np.concatenate([big, small.clip(0)])
        assert add_finer_maps(boxes, canvas=(320, 320), strides=(16, 8)) == expected
    assert add_finer_maps(np.concatenate([big, big, small]), canvas=(320, 320), strides=(8,)) == (8,)
    tiny = np.tile([(0.5, 0.5, 0.5 + 1 / 320, 0.5 + 1 / 320)], (9, 1))
    assert add_finer_maps(tiny, canvas=(320, 320), strides=(4,)) == (4,)  # there is no finer one
    assert add_finer_maps(np.zeros((0, 4)), canvas=(320, 320), strides=(8,)) == (8,)


def test_a_box_far_from_every_centre_is_out_of_reach() -> None:
    """8 pixels from centre to centre. At a corner of four cells, 19 pixels are too small and 20 are not."""
    for side, reachable in ((19, 0), (20, 1)):
        low, high = (160 - side / 2) / 320, (160 + side / 2) / 320
        box = np.array([(low, low, high, high)])
        assert sum(count_coverable(box, canvas=(320, 320), strides=(8,))) == reachable
        assert sum(count_coverable(box, canvas=(320, 320), strides=(8, 64))) == 1  # whose centres are there
