"""Pixels: a view's stay as they are or are scaled, and boxes go with them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.resize import paint_view, resize, shrink
from pipeline.compositions.view import Rectangle, Shape, View, move_boxes_to_view, show_window

NOISE = np.random.default_rng(0).integers(1, 256, (20, 30, 3), dtype=np.uint8)  # without black


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_that_is_not_scaled_keeps_its_pixels_on_black(mirrored: bool) -> None:
    view = View(Rectangle(2, 3, 10, 15), Rectangle(40, 25, 10, 15), mirrored)
    canvas = paint_view(NOISE, view, canvas=(50, 50))
    part = NOISE[2:12, 3:18]
    expected = np.zeros((50, 50, 3), np.uint8)
    expected[40:50, 25:40] = part[:, ::-1] if mirrored else part
    np.testing.assert_array_equal(canvas, expected)
    assert canvas.dtype == np.uint8


def test_a_view_by_hand() -> None:
    image = np.array([[[1] * 3, [2] * 3, [3] * 3]], np.uint8)
    view = View(Rectangle(0, 1, 1, 2), Rectangle(1, 0, 1, 2), mirrored=True)
    assert paint_view(image, view, canvas=(3, 3))[..., 0].tolist() == [[0, 0, 0], [3, 2, 0], [0, 0, 0]]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_is_averaged_to_a_smaller_place_and_interpolated_to_a_larger_one(mirrored: bool) -> None:
    part = np.ascontiguousarray(NOISE[2:12, 3:19])
    for (height, width), scaled in (((5, 8), shrink), ((15, 40), resize), ((5, 40), resize)):
        view = View(Rectangle(2, 3, 10, 16), Rectangle(1, 2, height, width), mirrored)
        canvas = paint_view(NOISE, view, canvas=(64, 64))
        expected = scaled(part, (height, width))
        np.testing.assert_array_equal(
            canvas[1 : 1 + height, 2 : 2 + width], expected[:, ::-1] if mirrored else expected
        )
        canvas[1 : 1 + height, 2 : 2 + width] = 0
        assert not canvas.any()


def test_shrinking_averages_whole_blocks() -> None:
    blocks = NOISE.reshape(10, 2, 10, 3, 3).astype(np.float64).mean(axis=(1, 3))
    assert np.abs(shrink(NOISE, (10, 10)) - blocks).max() < 1.0  # rows and columns are rounded one after the other


def test_resizing_is_bilinear_between_pixel_centres() -> None:
    row = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert resize(row, (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize(("canvas", "stretch"), [((96, 96), False), ((64, 96), False), ((64, 96), True)])
def test_boxes_go_with_the_pixels(canvas: Shape, stretch: bool) -> None:
    """A white rectangle in a black image: what is white on the canvas is its box there."""
    bits = RandomBits(0, "paint")
    seen = 0
    for _ in range(300):
        image = np.zeros((40, 60, 3), np.uint8)
        ymin, xmin = bits.below(25), bits.below(40)
        ymax, xmax = ymin + bits.between(8, 15), xmin + bits.between(8, 20)
        image[ymin:ymax, xmin:xmax] = 255
        window = Rectangle(bits.between(-20, 20), bits.between(-20, 20), bits.between(21, 60), bits.between(21, 60))
        view = show_window(window, (40, 60), canvas=canvas, mirrored=bits.below(2) == 1, stretch=stretch)
        boxes, kept = move_boxes_to_view(view, np.array([[ymin, xmin, ymax, xmax]], np.float64), canvas=canvas)
        if not len(kept):
            continue
        rows, columns = np.nonzero(paint_view(image, view, canvas=canvas)[..., 0] >= 128)
        white = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(boxes[0] * (canvas * 2), white, atol=1.01)
        seen += 1
    assert seen > 150


def test_an_image_may_lie_in_memory_as_it_likes() -> None:
    planes = np.ascontiguousarray(NOISE.transpose(2, 0, 1)).transpose(1, 2, 0)
    for window in (Rectangle(0, 0, 20, 30), Rectangle(3, 4, 10, 10), Rectangle(-5, -5, 40, 50)):
        view = show_window(window, (20, 30), canvas=(30, 30), mirrored=True)
        np.testing.assert_array_equal(
            paint_view(planes, view, canvas=(30, 30)), paint_view(NOISE, view, canvas=(30, 30))
        )
