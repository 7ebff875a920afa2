"""Fitting a picture with boxes of its own to the canvas."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.views.letterbox import Transform, fit_boxes, fit_picture
from pipeline.views.placement import Rectangle


def test_a_wide_picture_fills_the_width() -> None:
    boxes, window, transform = fit_boxes(np.array([[10.0, 20, 60, 120]]), (100, 200), size=50, flipped=False)
    assert window == Rectangle(0, 0, 25, 50)
    assert transform == Transform(0.25, 0.25, 0.0, 0.0)
    np.testing.assert_allclose(boxes * 50, [[2.5, 5, 15, 30]], rtol=1e-6)


def test_a_tall_picture_fills_the_height() -> None:
    _, window, transform = fit_boxes(np.zeros((0, 4)), (300, 100), size=60, flipped=False)
    assert window == Rectangle(0, 0, 60, 20)
    assert transform.scale_y == transform.scale_x == 0.2


def test_a_flip_mirrors_boxes_within_the_window() -> None:
    boxes, _, transform = fit_boxes(np.array([[0.0, 0, 50, 50]]), (100, 200), size=100, flipped=True)
    np.testing.assert_allclose(boxes * 100, [[0, 75, 25, 100]], rtol=1e-6)
    assert (transform.scale_x, transform.offset_x) == (-0.5, 100.0)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_transform_takes_source_pixels_to_the_boxes(flipped: bool) -> None:
    corners = np.array([[3.0, 5, 70, 91], [0, 0, 117, 93]])
    boxes, _, t = fit_boxes(corners, (117, 93), size=112, flipped=flipped)
    y = corners[:, 0::2] * t.scale_y + t.offset_y
    x = np.sort(corners[:, 1::2] * t.scale_x + t.offset_x, axis=1)
    np.testing.assert_allclose(boxes[:, 0::2] * 112, y, atol=1e-4)
    np.testing.assert_allclose(boxes[:, 1::2] * 112, x, atol=1e-4)


def test_boxes_never_leave_the_canvas() -> None:
    boxes, _, _ = fit_boxes(np.array([[0.0, 0, 100, 200]]), (100, 200), size=224, flipped=True)
    assert boxes.min() >= 0 and boxes.max() <= 1


def test_pixels_are_flipped_with_the_boxes() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:20, :20] = 255
    for flipped in (False, True):
        fitted = fit_picture(picture, np.array([[0.0, 0, 20, 20]]), size=80, flipped=flipped)
        ymin, xmin, ymax, xmax = np.rint(fitted.boxes[0] * 80).astype(int)
        assert fitted.pixels[ymin + 2 : ymax - 2, xmin + 2 : xmax - 2].min() == 255
        outside = fitted.pixels.copy()
        outside[max(ymin - 2, 0) : ymax + 2, max(xmin - 2, 0) : xmax + 2] = 0
        assert outside.max() == 0
