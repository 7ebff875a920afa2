"""Views: where a part of an image lies on the canvas, and its boxes with it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.view import Rectangle, View, boxes_in_view, boxes_in_views, scaled_shape, view_of_window


def test_the_whole_image_fills_the_longer_side() -> None:
    view = view_of_window(Rectangle(0, 0, 100, 200), (100, 200), size=50, mirrored=False)
    assert view == View(Rectangle(0, 0, 100, 200), Rectangle(0, 0, 25, 50), False)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shape", [(100, 200), (117, 93), (31, 32), (640, 480)])
def test_the_whole_image_takes_its_boxes_with_it(shape: tuple[int, int], mirrored: bool) -> None:
    corners = np.array([[3.0, 5, 25, 30], [0, 0, *shape], [10.5, 20.25, 11.5, 31]])
    view = view_of_window(Rectangle(0, 0, *shape), shape, size=112, mirrored=mirrored)
    assert view.place == Rectangle(0, 0, *scaled_shape(shape, 112))
    boxes, kept = boxes_in_view(view, corners, size=112)
    assert kept.tolist() == [0, 1, 2]
    scale_y, scale_x = view.place.height / shape[0], view.place.width / shape[1]
    np.testing.assert_allclose(boxes[:, 0::2] * 112, corners[:, 0::2] * scale_y, atol=1e-5)
    x = corners[:, 1::2] * scale_x
    expected = view.place.width - x[:, ::-1] if mirrored else x
    np.testing.assert_allclose(boxes[:, 1::2] * 112, expected, atol=1e-5)


def test_a_crop_is_enlarged_to_the_canvas() -> None:
    view = view_of_window(Rectangle(10, 20, 30, 15), (100, 200), size=60, mirrored=False)
    assert view == View(Rectangle(10, 20, 30, 15), Rectangle(0, 0, 60, 30), False)
    boxes, kept = boxes_in_view(view, np.array([[5.0, 22, 25, 27], [0, 20, 19, 30], [20, 0, 30, 40]]), size=60)
    # The first is cut above; the centre of the second is above; that of the third lies inside, both sides are cut.
    assert kept.tolist() == [0, 2]
    np.testing.assert_allclose(boxes * 60, [[0, 4, 30, 14], [20, 0, 40, 30]], atol=1e-5)


def test_a_frame_around_the_image_leaves_fill_colour() -> None:
    frame = Rectangle(-50, -20, 200, 100)
    view = view_of_window(frame, (100, 50), size=100, mirrored=False)
    assert view == View(Rectangle(0, 0, 100, 50), Rectangle(25, 10, 50, 25), False)
    mirrored = view_of_window(frame, (100, 50), size=100, mirrored=True)
    assert mirrored == View(Rectangle(0, 0, 100, 50), Rectangle(25, 15, 50, 25), True)  # 15 + 25 = 50 - 10


def test_a_mirrored_view_mirrors_boxes_within_its_place() -> None:
    view = View(Rectangle(0, 0, 10, 20), Rectangle(30, 40, 10, 20), True)
    boxes, _ = boxes_in_view(view, np.array([[1.0, 0, 4, 5]]), size=100)
    np.testing.assert_allclose(boxes * 100, [[31, 55, 34, 60]], atol=1e-5)


def test_a_centre_on_the_border_belongs_to_one_of_two_neighbours() -> None:
    box = np.array([[0.0, 5, 4, 15]])  # its centre is at x = 10
    kept = [
        len(boxes_in_view(View(Rectangle(0, x, 10, 10), Rectangle(0, 0, 10, 10), False), box, size=10)[1])
        for x in (0, 10)
    ]
    assert kept == [0, 1]


def test_a_region_is_kept_wherever_anything_of_it_is_shown() -> None:
    view = View(Rectangle(10, 20, 30, 15), Rectangle(0, 0, 60, 30), mirrored=False)
    corners = np.array([[5.0, 22, 25, 27], [0, 20, 19, 30], [0, 0, 10, 200], [0, 35, 100, 200], [11, 0, 12, 20.5]])
    boxes, kept = boxes_in_view(view, corners, size=60, by_center=False)
    assert kept.tolist() == [0, 1, 4]  # what only touches the shown part has nothing in it
    np.testing.assert_allclose(boxes * 60, [[0, 4, 30, 14], [0, 0, 18, 20], [2, 0, 4, 1]], atol=1e-5)
    by_center, kept_by_center = boxes_in_view(view, corners, size=60)
    assert kept_by_center.tolist() == [0]
    np.testing.assert_array_equal(by_center, boxes[:1])


def test_a_box_that_has_no_area_on_the_canvas_is_left_out() -> None:
    view = View(Rectangle(0, 0, 10, 10), Rectangle(0, 0, 10, 10), False)
    assert boxes_in_view(view, np.array([[1.0, 1, 1 + 1e-9, 5]]), size=10)[1].tolist() == []
    assert boxes_in_view(view, np.zeros((0, 4)), size=10)[0].shape == (0, 4)


def test_a_window_beside_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="window must hold a pixel"):
        view_of_window(Rectangle(0, 200, 10, 10), (100, 200), size=50, mirrored=False)


def test_places_lie_on_the_canvas_and_boxes_in_their_places() -> None:
    bits = RandomBits(0, "views")
    for _ in range(2000):
        shape = bits.between(1, 60), bits.between(1, 60)
        window = Rectangle(bits.between(-30, shape[0] - 1), bits.between(-30, shape[1] - 1), 0, 0)
        height, width = bits.between(1 - min(window.ymin, 0), 90), bits.between(1 - min(window.xmin, 0), 90)
        window = Rectangle(window.ymin, window.xmin, height, width)
        view = view_of_window(window, shape, size=32, mirrored=bits.below(2) == 1)
        place, shown = view.place, view.shown
        assert min(place.ymin, place.xmin, shown.ymin, shown.xmin) >= 0 and min(place.height, place.width) >= 1
        assert place.ymin + place.height <= 32 and place.xmin + place.width <= 32
        assert shown.ymin + shown.height <= shape[0] and shown.xmin + shown.width <= shape[1]
        y, x = sorted(bits.below(61) for _ in range(2)), sorted(bits.below(61) for _ in range(2))
        boxes, _ = boxes_in_view(view, np.array([[y[0], x[0], y[1], x[1]]], np.float64), size=32)
        for ymin, xmin, ymax, xmax in boxes * 32:
            assert place.ymin - 1e-5 <= ymin < ymax <= place.ymin + place.height + 1e-5
            assert place.xmin - 1e-5 <= xmin < xmax <= place.xmin + place.width + 1e-5


def test_every_view_has_the_boxes_that_it_would_have_alone() -> None:
    bits = RandomBits(0, "together")
    for by_center in (True, False):
        for count in (0, 1, 2, 9):
            edges = np.array([sorted((bits.below(50), bits.below(50))) for _ in range(2 * count)], np.float64)
            corners = edges.reshape(count, 2, 2).swapaxes(1, 2).reshape(count, 4)
            views = [
                view_of_window(
                    Rectangle(bits.between(-9, 20), bits.between(-9, 30), bits.between(10, 60), bits.between(10, 60)),
                    (37, 50),
                    size=32,
                    mirrored=bits.below(2) == 1,
                )
                for _ in range(12)
            ]
            together = boxes_in_views(views, [corners] * len(views), size=32, by_center=by_center)
            assert len(together) == len(views)
            for view, (boxes, kept) in zip(views, together, strict=True):
                alone, kept_alone = boxes_in_view(view, corners, size=32, by_center=by_center)
                np.testing.assert_array_equal(boxes, alone, strict=True)
                np.testing.assert_array_equal(kept, kept_alone, strict=True)
    assert boxes_in_views([], [], size=32) == []


def test_views_of_several_images_are_placed_together_as_each_is_alone() -> None:
    whole = View(Rectangle(0, 0, 20, 30), Rectangle(2, 0, 20, 30), mirrored=False)
    part = View(Rectangle(5, 5, 10, 10), Rectangle(0, 0, 32, 32), mirrored=True)
    one, none, two = (
        np.array(boxes, np.float64).reshape(-1, 4) for boxes in ([[0, 0, 9, 9]], [], [[6, 4, 15, 28]] * 2)
    )
    views, corners = [whole, part, whole, part, whole, part], [one, one, none, none, two, two]
    together = boxes_in_views(views, corners, size=32)
    assert [len(kept) for _, kept in together] == [1, 0, 0, 0, 2, 0]
    for view, of_image, (boxes, kept) in zip(views, corners, together, strict=True):
        alone, kept_alone = boxes_in_view(view, of_image, size=32)
        np.testing.assert_array_equal(boxes, alone, strict=True)
        np.testing.assert_array_equal(kept, kept_alone, strict=True)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_that_fills_what_is_shown_fills_its_place_exactly(mirrored: bool) -> None:
    """7 · (29 / 7) is more than 29: a mirrored box began left of the canvas, at -1e-16, and was refused by readers."""
    for side in range(1, 60):
        for size in range(1, 60):
            view = view_of_window(Rectangle(0, 0, side, side), (side, side), size=size, mirrored=mirrored)
            boxes, _ = boxes_in_view(view, np.array([[-1.0, -1, side + 1, side + 1]]), size=size)
            assert boxes.tolist() == [[0, 0, 1, 1]]
