"""Views of a collage: first where its objects were drawn, then the whole image at other places, perhaps mirrored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pipeline.views.collage import collage_views, corners_in, window_of

from pipeline.compositions.collage import Collage
from pipeline.compositions.random_bits import bits_of_views
from pipeline.compositions.view import Rectangle, View, boxes_in_view

PLAIN = Collage(size=224, object_size=(64, 64))
FLIPPED = dataclasses.replace(PLAIN, flip=True)
WINDOW = Rectangle(9, 8, 64, 64)
# Where the views of an image of 64 x 64 pixels lie, and whether they are mirrored. What is drawn may not change from
# one version to the next: records must be the same bytes.
PINNED = [(9, 8, False), (20, 150, True), (25, 102, False), (100, 138, True)]


def views_of(config: Collage, window: Rectangle, count: int, key: str = "train/0/0", seed: int = 0) -> tuple[View, ...]:
    return collage_views(config, window, count=count, bits_of=bits_of_views(seed, key))


def test_the_first_view_is_where_the_objects_were_drawn() -> None:
    rectangles = [Rectangle(30, 50, 10, 20), Rectangle(20, 90, 40, 12), Rectangle(35, 60, 5, 5)]
    window = window_of(rectangles)
    for count in (1, 5):
        first = views_of(FLIPPED, window, count)[0]
        assert first == View(Rectangle(0, 0, 40, 52), Rectangle(20, 50, 40, 52), mirrored=False)
        boxes, kept = boxes_in_view(first, corners_in(window, rectangles), size=224)
        corners = [[r.ymin, r.xmin, r.ymin + r.height, r.xmin + r.width] for r in rectangles]
        np.testing.assert_array_equal(boxes, (np.array(corners) / 224).astype(np.float32))
        assert kept.tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (30, 224), (224, 3), (223, 224), (224, 224)])
def test_other_views_show_the_whole_image_unscaled_and_inside_the_canvas(shape: tuple[int, int]) -> None:
    whole = Rectangle(0, 0, *shape)
    for view in views_of(FLIPPED, whole, 50):
        assert view.shown == whole
        place = view.place
        assert (place.height, place.width) == shape
        assert 0 <= place.ymin <= 224 - place.height and 0 <= place.xmin <= 224 - place.width
        boxes, kept = boxes_in_view(view, np.array([[0.0, 0, *shape]]), size=224)
        assert kept.tolist() == [0]
        np.testing.assert_allclose(boxes[0, 2:] - boxes[0, :2], np.array(shape) / 224, atol=1e-7)


def test_other_views_lie_uniformly_as_the_first_does() -> None:
    places = np.array([(view.place.ymin, view.place.xmin) for view in views_of(PLAIN, WINDOW, 4001)[1:]])
    assert places.min() == 0 and places.max() == 159
    for axis in range(2):
        counts = np.bincount(places[:, axis] // 10, minlength=16)
        assert ((counts - 250) ** 2 / 250).sum() < 37.7  # chi-squared, 15 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.06


def test_other_views_are_mirrored_half_the_time_if_flip_is_set_and_never_otherwise() -> None:
    assert not any(view.mirrored for view in views_of(PLAIN, WINDOW, 400))
    flipped = views_of(FLIPPED, WINDOW, 400)
    assert not flipped[0].mirrored
    assert 150 < sum(view.mirrored for view in flipped) < 250


@pytest.mark.parametrize("config", [PLAIN, FLIPPED], ids=["plain", "flipped"])
def test_a_view_depends_on_seed_key_and_number_alone(config: Collage) -> None:
    views = views_of(config, WINDOW, 8)
    for count in range(1, 8):
        assert views_of(config, WINDOW, count) == views[:count]
    elsewhere = views_of(config, Rectangle(100, 90, 64, 64), 8)
    assert elsewhere[0].place == Rectangle(100, 90, 64, 64) and elsewhere[1:] == views[1:]
    others = [views_of(config, WINDOW, 8, seed=1), views_of(config, WINDOW, 8, key="train/0/1")]
    assert len({view.place for some in (views, *others) for view in some[1:]}) == 21


def test_the_views_are_pinned() -> None:
    views = views_of(FLIPPED, WINDOW, 4)
    assert [(view.place.ymin, view.place.xmin, view.mirrored) for view in views] == PINNED
