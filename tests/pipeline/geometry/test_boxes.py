"""Boxes: conversions and IoU, by hand and against the slow reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.geometry.boxes import Array, areas, centroids_to_corners, corners_to_centroids, corners_to_xywh, iou
from tests import reference


def random_boxes(random: np.random.Generator, count: int) -> Array:
    """Corners on a grid of 16ths, so that boxes often touch, contain or equal one another."""
    low = random.integers(0, 12, (count, 2))
    high = low + random.integers(1, 6, (count, 2))
    return np.concatenate([low, high], axis=1) / 16.0


def test_a_centroid_box_becomes_corners_and_back() -> None:
    centroids = np.array([[0.5, 0.25, 0.2, 0.1]])  # taller than wide
    corners = centroids_to_corners(centroids)
    np.testing.assert_allclose(corners, [[0.4, 0.2, 0.6, 0.3]], rtol=0, atol=1e-15)
    np.testing.assert_allclose(corners_to_centroids(corners), centroids, rtol=0, atol=1e-15)


def test_corners_become_cocos_boxes() -> None:
    assert corners_to_xywh(np.array([[[10.0, 20.0, 40.0, 25.0]]])).tolist() == [[[20.0, 10.0, 5.0, 30.0]]]
    assert corners_to_xywh(np.zeros((0, 4))).shape == (0, 4)


def test_conversions_undo_each_other_for_any_leading_shape() -> None:
    random = np.random.default_rng(0)
    boxes: Any = random.uniform(0.01, 1.0, (3, 5, 4)).astype(np.float32)
    back = corners_to_centroids(centroids_to_corners(boxes))
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, boxes, rtol=0, atol=1e-15)


def test_area_is_height_times_width_in_the_boxes_unit() -> None:
    assert areas(np.array([[10.0, 20.0, 13.0, 27.0]])).tolist() == [21.0]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0.0, 0.0, 2.0, 2.0], 1.0),
        ([1.0, 1.0, 3.0, 3.0], 1 / 7),
        ([0.0, 1.0, 2.0, 3.0], 2 / 6),
        ([0.5, 0.5, 1.0, 1.5], 0.5 / 4),  # inside
        ([2.0, 0.0, 4.0, 2.0], 0.0),  # touches below
        ([2.0, 2.0, 4.0, 4.0], 0.0),  # touches at a corner
        ([5.0, 5.0, 6.0, 6.0], 0.0),  # apart in both axes: two negative overlaps must not multiply to one
        ([1.0, 1.0, 1.0, 1.0], 0.0),  # a point
        ([0.0, 1.0, 2.0, 1.0], 0.0),  # a line
    ],
)
def test_iou_of_two_boxes(other: list[float], expected: float) -> None:
    assert iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([other])).tolist() == [[expected]]


def test_two_boxes_without_area_have_iou_0_without_a_warning() -> None:
    point = np.array([[0.5, 0.5, 0.5, 0.5]])
    with np.errstate(all="raise"):
        assert iou(point, point).tolist() == [[0.0]]


def test_iou_does_not_depend_on_the_unit() -> None:
    random = np.random.default_rng(1)
    pixels = random_boxes(random, 20) * 224
    np.testing.assert_allclose(iou(pixels / 224, pixels / 224), iou(pixels, pixels), rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 7), (7, 0), (0, 0)])
def test_iou_of_no_boxes_is_empty(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    result = iou(random_boxes(random, shape[0]), random_boxes(random, shape[1]))
    assert result.shape == shape and result.dtype == np.float64


def test_iou_is_the_references_to_the_last_bit_in_any_memory_order() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        boxes = random_boxes(random, int(random.integers(1, 12)))
        others = random.uniform(-0.2, 1.2, (9, 4)) if random.integers(2) else random_boxes(random, 9)
        others[:, 2:] = np.maximum(others[:, :2], others[:, 2:])
        expected = [[reference.iou(a, b) for b in others.tolist()] for a in boxes.tolist()]
        for form in (np.ascontiguousarray, np.asfortranarray):
            np.testing.assert_array_equal(iou(form(boxes), form(others)), expected)


def test_iou_leaves_its_arguments_alone_and_takes_float32() -> None:
    random = np.random.default_rng(4)
    boxes: Any = random_boxes(random, 6).astype(np.float32)
    before = boxes.copy()
    result = iou(boxes, boxes)
    np.testing.assert_array_equal(boxes, before)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(np.diag(result), np.ones(6))
