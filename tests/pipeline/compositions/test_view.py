"""Views: where a part of an image lies on the canvas, and its boxes with it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.view import (
    Rectangle,
    Shape,
    View,
    move_boxes_to_image,
    move_boxes_to_view,
    move_boxes_to_views,
    scale_to_side,
    show_window,
)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((100, 200), 50, (25, 50)),
        ((3, 2), 3, (3, 2)),
        ((1, 1000), 20, (1, 20)),
        ((5, 2), 10, (10, 4)),
        ((8, 3), 4, (4, 2)),
    ],
)
def test_a_shape_is_scaled_and_rounded_halves_up(shape: Shape, side: int, expected: Shape) -> None:
    assert scale_to_side(shape, side) == expected
    assert scale_to_side(shape[::-1], side) == expected[::-1]


@pytest.mark.parametrize(
    ("shape", "canvas", "place"),
    [
        ((100, 200), (50, 50), (25, 50)),
        ((300, 100), (60, 60), (60, 20)),
        ((100, 200), (48, 96), (48, 96)),  # the canvas's own shape
        ((100, 100), (48, 96), (48, 48)),
        ((100, 400), (48, 96), (24, 96)),
        ((100, 400), (96, 48), (12, 48)),
    ],
)
def test_the_whole_image_fills_the_height_or_the_width(shape: Shape, canvas: Shape, place: Shape) -> None:
    view = show_window(Rectangle(0, 0, *shape), shape, canvas=canvas, mirrored=False)
    assert view == View(Rectangle(0, 0, *shape), Rectangle(0, 0, *place), mirrored=False)
    stretched = show_window(Rectangle(0, 0, *shape), shape, canvas=canvas, mirrored=True, stretch=True)
    assert stretched == View(Rectangle(0, 0, *shape), Rectangle(0, 0, *canvas), mirrored=True)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shape", [(100, 200), (117, 93), (31, 32), (640, 480)])
@pytest.mark.parametrize(("canvas", "stretch"), [((112, 112), False), ((48, 96), False), ((48, 96), True)])
def test_the_whole_image_takes_its_boxes_with_it(shape: Shape, canvas: Shape, stretch: bool, mirrored: bool) -> None:
    corners = np.array([[3.0, 5, 25, 30], [0, 0, *shape], [10.5, 20.25, 11.5, 31]])
    view = show_window(Rectangle(0, 0, *shape), shape, canvas=canvas, mirrored=mirrored, stretch=stretch)
    boxes, kept = move_boxes_to_view(view, corners, canvas=canvas)
    assert kept.tolist() == [0, 1, 2]
    scale_y, scale_x = view.place.height / shape[0], view.place.width / shape[1]
    np.testing.assert_allclose(boxes[:, 0::2] * canvas[0], corners[:, 0::2] * scale_y, atol=1e-5)
    x = corners[:, 1::2] * scale_x
    expected = view.place.width - x[:, ::-1] if mirrored else x
    np.testing.assert_allclose(boxes[:, 1::2] * canvas[1], expected, atol=1e-5)
    back, kept = move_boxes_to_image(view, boxes, canvas=canvas)
    assert kept.tolist() == [0, 1, 2]
    np.testing.assert_allclose(back, corners, atol=1e-4)


def test_a_crop_is_enlarged_to_the_canvas() -> None:
    view = show_window(Rectangle(10, 20, 30, 15), (100, 200), canvas=(60, 60), mirrored=False)
    assert view == View(Rectangle(10, 20, 30, 15), Rectangle(0, 0, 60, 30), False)
    boxes, kept = move_boxes_to_view(
        view, np.array([[5.0, 22, 25, 27], [0, 20, 19, 30], [20, 0, 30, 40]]), canvas=(60, 60)
    )
    # The first is cut above; the centre of the second is above; that of the third lies inside, both sides are cut.
    assert kept.tolist() == [0, 2]
    np.testing.assert_allclose(boxes * 60, [[0, 4, 30, 14], [20, 0, 40, 30]], atol=1e-5)


def test_a_frame_around_the_image_leaves_fill_colour() -> None:
    frame = Rectangle(-50, -20, 200, 100)
    view = show_window(frame, (100, 50), canvas=(100, 100), mirrored=False)
    assert view == View(Rectangle(0, 0, 100, 50), Rectangle(25, 10, 50, 25), False)
    mirrored = show_window(frame, (100, 50), canvas=(100, 100), mirrored=True)
    assert mirrored == View(Rectangle(0, 0, 100, 50), Rectangle(25, 15, 50, 25), True)  # 15 + 25 = 50 - 10
    stretched = show_window(frame, (100, 50), canvas=(40, 100), mirrored=False, stretch=True)
    assert stretched == View(Rectangle(0, 0, 100, 50), Rectangle(10, 20, 20, 50), False)


def test_a_box_outside_of_what_is_shown_is_cut_off_or_left_out_of_the_image() -> None:
    view = View(Rectangle(10, 20, 20, 30), Rectangle(4, 6, 10, 60), mirrored=False)
    corners = np.array([[0, 0, 9, 36], [4, 6, 14, 66], [0, 0, 4, 96], [14, 0, 48, 6], [8, 8, 10, 10]])
    boxes, kept = move_boxes_to_image(view, corners / [48, 96, 48, 96], canvas=(48, 96))
    assert kept.tolist() == [0, 1, 4]
    np.testing.assert_allclose(boxes, [[10, 20, 20, 35], [10, 20, 30, 50], [18, 21, 22, 22]], atol=1e-9)


def test_a_mirrored_view_mirrors_boxes_within_its_place() -> None:
    view = View(Rectangle(0, 0, 10, 20), Rectangle(30, 40, 10, 20), True)
    boxes, _ = move_boxes_to_view(view, np.array([[1.0, 0, 4, 5]]), canvas=(100, 100))
    np.testing.assert_allclose(boxes * 100, [[31, 55, 34, 60]], atol=1e-5)


def test_a_centre_on_the_border_belongs_to_one_of_two_neighbours() -> None:
    box = np.array([[0.0, 5, 4, 15]])  # its centre is at x = 10
    kept = [
        len(move_boxes_to_view(View(Rectangle(0, x, 10, 10), Rectangle(0, 0, 10, 10), False), box, canvas=(10, 10))[1])
        for x in (0, 10)
    ]
    assert kept == [0, 1]


def test_a_region_is_kept_wherever_anything_of_it_is_shown() -> None:
    view = View(Rectangle(10, 20, 30, 15), Rectangle(0, 0, 60, 30), mirrored=False)
    corners = np.array([[5.0, 22, 25, 27], [0, 20, 19, 30], [0, 0, 10, 200], [0, 35, 100, 200], [11, 0, 12, 20.5]])
    boxes, kept = move_boxes_to_view(view, corners, canvas=(60, 60), by_center=False)
    assert kept.tolist() == [0, 1, 4]  # what only touches the shown part has nothing in it
    np.testing.assert_allclose(boxes * 60, [[0, 4, 30, 14], [0, 0, 18, 20], [2, 0, 4, 1]], atol=1e-5)
    by_center, kept_by_center = move_boxes_to_view(view, corners, canvas=(60, 60))
    assert kept_by_center.tolist() == [0]
    np.testing.assert_array_equal(by_center, boxes[:1])


def test_a_box_that_has_no_area_on_the_canvas_is_left_out() -> None:
    view = View(Rectangle(0, 0, 10, 10), Rectangle(0, 0, 10, 10), False)
    assert move_boxes_to_view(view, np.array([[1.0, 1, 1 + 1e-9, 5]]), canvas=(10, 10))[1].tolist() == []
    assert move_boxes_to_view(view, np.zeros((0, 4)), canvas=(10, 10))[0].shape == (0, 4)


def test_a_window_beside_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="window must hold a pixel"):
        show_window(Rectangle(0, 200, 10, 10), (100, 200), canvas=(50, 50), mirrored=False)


@pytest.mark.parametrize(("canvas", "stretch"), [((32, 32), False), ((24, 48), False), ((24, 48), True)])
def test_places_lie_on_the_canvas_and_boxes_in_their_places(canvas: Shape, stretch: bool) -> None:
    bits = RandomBits(0, "views")
    for _ in range(2000):
        shape = bits.between(1, 60), bits.between(1, 60)
        window = Rectangle(bits.between(-30, shape[0] - 1), bits.between(-30, shape[1] - 1), 0, 0)
        height, width = bits.between(1 - min(window.ymin, 0), 90), bits.between(1 - min(window.xmin, 0), 90)
        window = Rectangle(window.ymin, window.xmin, height, width)
        view = show_window(window, shape, canvas=canvas, mirrored=bits.below(2) == 1, stretch=stretch)
        place, shown = view.place, view.shown
        assert min(place.ymin, place.xmin, shown.ymin, shown.xmin) >= 0 and min(place.height, place.width) >= 1
        assert place.ymin + place.height <= canvas[0] and place.xmin + place.width <= canvas[1]
        assert shown.ymin + shown.height <= shape[0] and shown.xmin + shown.width <= shape[1]
        y, x = sorted(bits.below(61) for _ in range(2)), sorted(bits.below(61) for _ in range(2))
        boxes, _ = move_boxes_to_view(view, np.array([[y[0], x[0], y[1], x[1]]], np.float64), canvas=canvas)
        for ymin, xmin, ymax, xmax in boxes * (canvas * 2):
            assert place.ymin - 1e-5 <= ymin < ymax <= place.ymin + place.height + 1e-5
            assert place.xmin - 1e-5 <= xmin < xmax <= place.xmin + place.width + 1e-5


@pytest.mark.parametrize("by_center", [True, False])
def test_views_of_several_images_have_the_boxes_that_each_would_have_alone(by_center: bool) -> None:
    bits = RandomBits(0, "together")
    views, corners = [], []
    for number in range(60):
        sides = [bits.between(-9, 20), bits.between(-9, 30), bits.between(10, 60), bits.between(10, 60)]
        mirrored = bits.below(2) == 1
        views.append(show_window(Rectangle(*sides), (37, 50), canvas=(24, 48), mirrored=mirrored))
        edges = np.array([sorted((bits.below(50), bits.below(50))) for _ in range(2 * (number % 4))], np.float64)
        corners.append(edges.reshape(-1, 2, 2).swapaxes(1, 2).reshape(-1, 4))
    together = move_boxes_to_views(views, corners, canvas=(24, 48), by_center=by_center)
    assert {len(kept) for _, kept in together} == {0, 1, 2, 3}
    for view, of_image, (boxes, kept) in zip(views, corners, together, strict=True):
        alone, kept_alone = move_boxes_to_view(view, of_image, canvas=(24, 48), by_center=by_center)
        np.testing.assert_array_equal(boxes, alone, strict=True)
        np.testing.assert_array_equal(kept, kept_alone, strict=True)
    assert move_boxes_to_views([], [], canvas=(24, 48), by_center=by_center) == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_that_fills_what_is_shown_fills_its_place_exactly(mirrored: bool) -> None:
    """7 · (29 / 7) is more than 29: a mirrored box began left of the canvas, at -1e-16, and was refused by readers."""
    for side in range(1, 60):
        for on in range(1, 60):
            view = show_window(Rectangle(0, 0, side, side), (side, side), canvas=(on, on), mirrored=mirrored)
            boxes, _ = move_boxes_to_view(view, np.array([[-1.0, -1, side + 1, side + 1]]), canvas=(on, on))
            assert boxes.tolist() == [[0, 0, 1, 1]]
