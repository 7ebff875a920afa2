"""Letterboxes: the size of a stored image, and its views: whole, then cropped and mirrored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.compositions.crop import Crop, draw_window
from pipeline.compositions.letterbox import Letterbox, letterbox_views, stored_shape
from pipeline.compositions.random_bits import bits_of_views
from pipeline.compositions.view import Rectangle, Shape, View, boxes_in_view, view_of_window

SHAPE = (120, 200)
BOXES = np.array([[20.0, 30, 100, 130], [50, 100, 80, 190], [0, 0, 8, 8]])
CONFIG = Letterbox(size=96)
UNCROPPED = Letterbox(size=96, crop=None)
NO_FLIP = Letterbox(size=96, flip=False)
# Of the record of key train/0/0. What is drawn may not change from one version to the next: records must be the same
# bytes.
PINNED = [
    View(Rectangle(0, 0, 120, 200), Rectangle(0, 0, 58, 96), mirrored=False),
    View(Rectangle(0, 35, 101, 165), Rectangle(15, 0, 53, 87), mirrored=False),
    View(Rectangle(30, 24, 81, 110), Rectangle(0, 0, 71, 96), mirrored=True),
    View(Rectangle(0, 0, 120, 200), Rectangle(33, 32, 20, 34), mirrored=True),
]


def views_of(
    config: Letterbox,
    count: int,
    key: str = "train/0/0",
    seed: int = 0,
    shape: Shape = SHAPE,
    boxes: np.ndarray = BOXES,
) -> tuple[View, ...]:
    return letterbox_views(config, shape, boxes, count=count, bits_of=bits_of_views(seed, key))


@pytest.mark.parametrize(
    ("side", "shape", "stored"),
    [
        (None, (1000, 3000), (1000, 3000)),
        (300, (100, 299), (100, 299)),
        (300, (100, 300), (100, 300)),  # at the limit: as it is
        (300, (300, 100), (300, 100)),
        (300, (301, 301), (300, 300)),
        (300, (400, 600), (200, 300)),
        (300, (600, 400), (300, 200)),
        (300, (999, 2), (300, 1)),
        (4, (8, 3), (4, 2)),  # 1.5 is rounded up
    ],
)
def test_a_stored_image_is_at_most_as_long_as_configured(side: int | None, shape: Shape, stored: Shape) -> None:
    assert stored_shape(Letterbox(size=96, image_side=side), shape) == stored


def test_a_wide_image_fills_the_width() -> None:
    (view,) = views_of(Letterbox(size=50), 1, shape=(100, 200))
    assert view == View(Rectangle(0, 0, 100, 200), Rectangle(0, 0, 25, 50), mirrored=False)
    boxes, _ = boxes_in_view(view, np.array([[10.0, 20, 60, 120]]), size=50)
    np.testing.assert_allclose(boxes * 50, [[2.5, 5, 15, 30]], rtol=1e-6)


def test_a_tall_image_fills_the_height() -> None:
    (view,) = views_of(Letterbox(size=60), 1, shape=(300, 100), boxes=np.zeros((0, 4)))
    assert view.place == Rectangle(0, 0, 60, 20)


@pytest.mark.parametrize("config", [CONFIG, UNCROPPED, NO_FLIP])
def test_the_first_view_is_the_whole_image_unmirrored(config: Letterbox) -> None:
    whole = view_of_window(Rectangle(0, 0, *SHAPE), SHAPE, size=96, mirrored=False)
    for key in range(20):
        first = views_of(config, 3, str(key))[0]
        assert first == whole
        assert boxes_in_view(first, BOXES, size=96)[1].tolist() == [0, 1, 2]


def test_other_views_are_drawn_as_crops_are() -> None:
    assert CONFIG.crop is not None
    bits_of = bits_of_views(0, "train/0/0")
    for number, view in enumerate(views_of(CONFIG, 100)):
        if number:
            bits = bits_of(number)
            window = draw_window(CONFIG.crop, SHAPE, BOXES, bits)
            assert view == view_of_window(window, SHAPE, size=96, mirrored=bits.below(2) == 1)


def test_other_views_show_an_object_inside_the_canvas() -> None:
    for view in views_of(CONFIG, 500):
        place, shown = view.place, view.shown
        assert min(place.ymin, place.xmin, shown.ymin, shown.xmin) >= 0
        assert place.ymin + place.height <= 96 and place.xmin + place.width <= 96
        assert shown.ymin + shown.height <= SHAPE[0] and shown.xmin + shown.width <= SHAPE[1]
        boxes, kept = boxes_in_view(view, BOXES, size=96)
        assert len(kept) and boxes.min() >= 0 and boxes.max() <= 1


def test_other_views_are_mirrored_half_the_time_if_flip_is_set_and_never_otherwise() -> None:
    assert 200 < sum(view.mirrored for view in views_of(CONFIG, 501)) < 300
    assert not any(view.mirrored for view in views_of(NO_FLIP, 501))


def test_mirroring_does_not_change_what_is_shown() -> None:
    for view, plain in zip(views_of(CONFIG, 100), views_of(NO_FLIP, 100), strict=True):
        assert view.shown == plain.shown
        assert view == plain or view.mirrored


def test_without_a_crop_every_view_is_the_whole_image() -> None:
    views = views_of(UNCROPPED, 200)
    assert {view.shown for view in views} == {Rectangle(0, 0, *SHAPE)}
    assert {(view.place, view.mirrored) for view in views} == {
        (Rectangle(0, 0, 58, 96), False),
        (Rectangle(0, 0, 58, 96), True),
    }


@pytest.mark.parametrize("config", [CONFIG, UNCROPPED, NO_FLIP])
def test_a_view_depends_on_seed_key_and_number_alone(config: Letterbox) -> None:
    views = views_of(config, 8)
    for count in range(1, 8):
        assert views_of(config, count) == views[:count]


def test_other_seeds_and_keys_have_other_views() -> None:
    some = [views_of(CONFIG, 8, key, seed)[1:] for key in ("train/0/0", "train/0/1") for seed in (0, 1)]
    assert len(set(some)) == 4


def test_a_image_without_boxes_has_views_too() -> None:
    views = views_of(dataclasses.replace(CONFIG, crop=Crop(zoom_out=(1.0, 1.0))), 50, boxes=np.zeros((0, 4)))
    assert len(set(views)) > 30


def test_the_views_are_pinned() -> None:
    assert list(views_of(CONFIG, 4)) == PINNED
