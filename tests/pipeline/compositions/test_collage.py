"""Collages: what is painted, where, in which views, and that the ground truth says the same."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from pipeline.compositions.collage import Collage, compute_overlap
from pipeline.compositions.composition import Layout, SourceImage
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.compositions.resize import RgbImage, paint_view, resize
from pipeline.compositions.view import Rectangle, Shape, View

ONE = Collage(canvas=(224, 224), object_size=(64, 64))
FLIPPED = replace(ONE, flip=True)
MANY = Collage(canvas=(112, 112), object_size=(12, 40), objects=(1, 6), max_overlap=0.2, flip=True)
WIDE = replace(MANY, canvas=(48, 96))
OWN = SourceImage((32, 32), label=3, reference="0")
WINDOW = Rectangle(9, 8, 64, 64)
# Where the views of an image of 64 x 64 pixels lie, and whether they are mirrored. What is drawn may not change from
# one version to the next: records must be the same bytes.
PINNED = [(9, 8, False), (20, 150, True), (25, 102, False), (100, 138, True)]


def make_image(seed: int, shape: Shape = (32, 32)) -> RgbImage:
    """Noise without black: every pixel of it shows on the canvas."""
    noise = np.frombuffer(hashlib.shake_256(str(seed).encode()).digest(shape[0] * shape[1] * 3), np.uint8)
    return np.maximum(noise, 1).reshape(*shape, 3)


def draw_companion(bits: RandomBits) -> SourceImage:
    """One of ten images of different shapes."""
    number = bits.below(10)
    return SourceImage((20 + 3 * number, 40 - 2 * number), label=number, reference=str(number))


def pixels_of(image: SourceImage) -> RgbImage:
    return make_image(int(image.reference), image.size)


def lay_out(
    config: Collage,
    key: str = "train/0/0",
    *,
    image: SourceImage = OWN,
    views: int = 1,
    seed: int = 0,
    evaluation: bool = False,
) -> Layout:
    bits = EntryBits(seed, key)
    return config.layout(image, views=views, bits=bits, companions=draw_companion, evaluation=evaluation)


def lay_out_each(config: Collage, count: int) -> list[Layout]:
    return [lay_out(config, f"train/{i}/0") for i in range(count)]


def paint(config: Collage, layout: Layout) -> RgbImage:
    """The canvas as the first view shows it."""
    pixels = config.paint(layout, [pixels_of(placed.image) for placed in layout.placed])
    assert pixels.shape == (*layout.shape, 3)
    return paint_view(pixels, layout.views[0], canvas=config.canvas)


def places_in(layout: Layout) -> tuple[Rectangle, ...]:
    """Where the objects lie on the canvas of the first view."""
    at = layout.views[0].place
    places = [placed.place for placed in layout.placed]
    return tuple(Rectangle(at.ymin + p.ymin, at.xmin + p.xmin, p.height, p.width) for p in places)


def cut(image: NDArray[np.uint8], r: Rectangle) -> NDArray[np.uint8]:
    return image[r.ymin : r.ymin + r.height, r.xmin : r.xmin + r.width]


def test_one_object_is_the_resized_image_on_black() -> None:
    for layout in lay_out_each(ONE, 5):
        (placed,), (view,) = layout.placed, layout.views
        assert layout.shape == view.shown.shape == view.place.shape == (64, 64)
        assert layout.drawn == (placed.image,) == (OWN,) and placed.place == Rectangle(0, 0, 64, 64)
        assert layout.labels.tolist() == [3] and layout.labels.dtype == np.int64
        assert layout.corners.tolist() == [[0, 0, 64, 64]] and layout.corners.dtype == np.float64
        canvas = paint(ONE, layout)
        assert canvas.shape == (224, 224, 3) and canvas.dtype == np.uint8
        np.testing.assert_array_equal(cut(canvas, view.place), resize(make_image(0), (64, 64)))
        cut(canvas, view.place)[:] = 0
        assert not canvas.any()


@pytest.mark.parametrize("config", [MANY, WIDE], ids=["square", "wide"])
def test_the_first_view_shows_the_smallest_image_that_holds_all_objects(config: Collage) -> None:
    for layout in lay_out_each(config, 100):
        rows, columns = np.nonzero(paint(config, layout).any(axis=-1))
        (view,) = layout.views
        assert view == View(Rectangle(0, 0, *layout.shape), view.place, mirrored=False)
        assert (rows.min(), rows.max() + 1) == (view.place.ymin, view.place.ymin + view.place.height)
        assert (columns.min(), columns.max() + 1) == (view.place.xmin, view.place.xmin + view.place.width)
        corners = [[p.ymin, p.xmin, p.ymin + p.height, p.xmin + p.width] for p in places_in(layout)]
        ((boxes, labels),) = layout.truths()
        np.testing.assert_array_equal(boxes, (np.array(corners) / (config.canvas * 2)).astype(np.float32), strict=True)
        assert labels.tolist() == layout.labels.tolist() == [placed.image.label for placed in layout.placed]


@pytest.mark.parametrize("config", [MANY, WIDE], ids=["square", "wide"])
def test_several_objects_keep_to_number_size_and_overlap(config: Collage) -> None:
    counts: Counter[int] = Counter()
    height, width = config.canvas
    for layout in lay_out_each(config, 300):
        places = places_in(layout)
        counts[len(places)] += 1
        assert len(layout.labels) == len(layout.corners) == len(places) and layout.labels[0] == 3
        for i, r in enumerate(places):
            assert 12 <= max(r.shape) <= 40 and min(r.shape) >= 1
            assert 0 <= r.ymin <= height - r.height and 0 <= r.xmin <= width - r.width
            assert all(compute_overlap(r, other) <= 0.2 for other in places[:i])
    assert set(counts) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("first", [True, False], ids=["first views", "others"])
def test_a_corner_is_uniform_over_the_canvas_less_the_object(first: bool) -> None:
    """As in the notebook, 0 to 159: the last place that would still fit, 160, is never drawn."""
    views = [c.views[0] for c in lay_out_each(ONE, 4000)] if first else lay_out(ONE, views=4001).views[1:]
    corners = np.array([(view.place.ymin, view.place.xmin) for view in views])
    assert corners.min() == 0 and corners.max() == 159
    for axis in range(2):
        counts = np.bincount(corners[:, axis] // 10, minlength=16)
        assert ((counts - 250) ** 2 / 250).sum() < 37.7  # chi-squared, 15 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(corners.T)[0, 1]) < 0.06


def test_the_source_is_mirrored_before_it_is_placed() -> None:
    image = make_image(0)
    upright, mirrored = resize(image, (64, 64)), resize(np.ascontiguousarray(image[:, ::-1]), (64, 64))
    layouts = lay_out_each(FLIPPED, 400)
    for layout in layouts:
        pixels = cut(paint(FLIPPED, layout), layout.views[0].place)
        np.testing.assert_array_equal(pixels, mirrored if layout.placed[0].mirrored else upright)
    assert 150 < sum(layout.placed[0].mirrored for layout in layouts) < 250
    columns = [layout.views[0].place.xmin for layout in layouts]
    assert min(columns) < 8 and max(columns) > 151  # an image is mirrored, not its place
    assert not any(placed.mirrored for layout in lay_out_each(ONE, 50) for placed in layout.placed)


def test_the_same_bits_give_the_same_layout_and_others_another() -> None:
    for config in (ONE, MANY, WIDE):
        for a, b in zip(lay_out_each(config, 20), lay_out_each(config, 20), strict=True):
            assert (a.placed, a.views, a.drawn, a.shape) == (b.placed, b.views, b.drawn, b.shape)
            assert a.labels.tolist() == b.labels.tolist() and a.corners.tolist() == b.corners.tolist()
    keys = [(seed, key) for seed in (0, 1) for key in ("train/0/0", "train/0/1", "val/0/0")]
    assert len({lay_out(ONE, key, seed=seed).views for seed, key in keys}) == 6


def test_the_bytes_are_pinned() -> None:
    digest = hashlib.sha256()
    for config, count in ((ONE, 5), (MANY, 20)):
        for layout in lay_out_each(config, count):
            window = layout.views[0].place
            digest.update(repr((window, places_in(layout), layout.labels.tolist())).encode())
            digest.update(paint(config, layout).tobytes())
    assert digest.hexdigest() == "7e7cfe0bc20ee107d76ee567c9d55d392f715ba4c056c1254ee42ed7473df8d6"


def test_later_images_lie_over_earlier_ones_and_keep_their_shape() -> None:
    config = replace(MANY, max_overlap=1.0, flip=False, objects=(4, 4))
    for layout in lay_out_each(config, 20):
        last, image = places_in(layout)[-1], pixels_of(layout.placed[-1].image)
        np.testing.assert_array_equal(cut(paint(config, layout), last), resize(image, last.shape))
        assert abs(last.width * image.shape[0] - last.height * image.shape[1]) <= max(image.shape)


def test_a_companion_without_a_place_is_drawn_and_left_out() -> None:
    config = Collage(canvas=(64, 64), object_size=(40, 40), objects=(3, 3))
    for i in range(20):
        layout = config.layout(OWN, views=1, bits=EntryBits(0, str(i)), companions=lambda bits: OWN)
        assert len(layout.placed) == 1 and layout.labels.tolist() == [3]
        assert layout.drawn == (OWN,) * 3


def test_companions_are_drawn_in_order_with_the_bits_of_the_record() -> None:
    config = replace(MANY, objects=(3, 3), max_overlap=1.0)

    def draw(bits: RandomBits) -> SourceImage:
        return SourceImage((10, 20), label=bits.below(1000))

    layout = config.layout(OWN, views=1, bits=EntryBits(0, "a"), companions=draw)
    assert layout.drawn == tuple(placed.image for placed in layout.placed) and layout.drawn[0] == OWN
    assert len({image.label for image in layout.drawn}) == 3


def test_several_objects_need_companions() -> None:
    with pytest.raises(ValueError, match=r"^this composition needs companions, and none were given$"):
        replace(ONE, objects=(2, 2)).layout(OWN, views=1, bits=EntryBits(0, "a"))


def test_an_image_as_large_as_the_canvas_has_one_place() -> None:
    config = Collage(canvas=(64, 64), object_size=(64, 64))
    assert lay_out(config).views[0].place == Rectangle(0, 0, 64, 64)


def test_an_image_may_lie_in_memory_as_it_likes() -> None:
    """CIFAR-10 keeps colour planes: an image is a transposed view of them."""
    image = make_image(4)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    for layout in lay_out_each(FLIPPED, 6):
        np.testing.assert_array_equal(FLIPPED.paint(layout, [image]), FLIPPED.paint(layout, [planes]))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((32, 32), (20, 20)), ((10, 40), (5, 20)), ((40, 10), (20, 5)), ((1, 1000), (1, 20)), ((3, 8), (8, 20))],
)
def test_the_longer_side_is_the_object_size(shape: Shape, expected: Shape) -> None:
    config = Collage(canvas=(64, 64), object_size=(20, 20))
    assert lay_out(config, image=SourceImage(shape, label=0)).shape == expected


def test_evaluation_draws_what_training_with_flip_draws_but_mirrors_nothing() -> None:
    """So `flip` changes no record of val and test."""
    config = replace(MANY, objects=(3, 3))
    trained = lay_out(config, "a")
    assert any(placed.mirrored for placed in trained.placed)
    for flip in (False, True):
        layout = lay_out(replace(config, flip=flip), "a", evaluation=True)
        assert (layout.views, layout.drawn) == (trained.views, trained.drawn)
        assert places_in(layout) == places_in(trained) and not any(placed.mirrored for placed in layout.placed)


def test_touching_is_no_overlap() -> None:
    a = Rectangle(0, 0, 10, 10)
    assert compute_overlap(a, Rectangle(10, 0, 10, 10)) == 0
    assert compute_overlap(a, Rectangle(5, 5, 4, 4)) == 1  # the smaller one is covered
    assert compute_overlap(a, Rectangle(9, 9, 10, 10)) == 0.01
    assert compute_overlap(a, Rectangle(20, 20, 5, 5)) == 0  # apart in both axes


@pytest.mark.parametrize("canvas", [(224, 224), (48, 96)])
@pytest.mark.parametrize("shape", [(1, 1), (30, 48), (48, 3), (47, 48), (48, 48)])
def test_other_views_show_the_whole_image_at_places_that_their_own_bits_draw(canvas: Shape, shape: Shape) -> None:
    config = Collage(canvas=canvas, object_size=(max(shape), max(shape)), flip=True)
    layout = lay_out(config, image=SourceImage(shape, label=0), views=50)
    assert layout.shape == shape
    for number, (view, (boxes, _)) in enumerate(zip(layout.views, layout.truths(), strict=True)):
        place = view.place
        assert view.shown == Rectangle(0, 0, *shape) and place.shape == shape
        assert 0 <= place.ymin <= canvas[0] - shape[0] and 0 <= place.xmin <= canvas[1] - shape[1]
        expected = np.array([[place.ymin, place.xmin, place.ymin + shape[0], place.xmin + shape[1]]])
        np.testing.assert_allclose(boxes, expected / (canvas * 2), atol=1e-7)
        if number:
            bits = EntryBits(0, "train/0/0").of_view(number)
            assert view.mirrored == (bits.below(2) == 1)
            assert place.ymin == bits.below(max(1, canvas[0] - shape[0]))
            assert place.xmin == bits.below(max(1, canvas[1] - shape[1]))


def test_other_views_are_mirrored_half_the_time_if_flip_is_set_and_never_otherwise() -> None:
    assert not any(view.mirrored for view in lay_out(ONE, views=400).views)
    flipped = lay_out(FLIPPED, views=400).views
    assert not flipped[0].mirrored
    assert 150 < sum(view.mirrored for view in flipped) < 250


@pytest.mark.parametrize("config", [ONE, FLIPPED], ids=["plain", "flipped"])
def test_a_view_depends_on_seed_key_and_number_alone(config: Collage) -> None:
    views = lay_out(config, views=8).views
    for count in range(1, 8):
        assert lay_out(config, views=count).views == views[:count]
    others = [lay_out(config, views=8, seed=1), lay_out(config, "train/0/1", views=8)]
    assert len({view.place for some in (views, *(other.views for other in others)) for view in some[1:]}) == 21


def test_the_views_are_pinned() -> None:
    """Those after the first do not depend on the first one's place."""
    views = FLIPPED._views(WINDOW, 4, EntryBits(0, "train/0/0"))
    assert [(view.place.ymin, view.place.xmin, view.mirrored) for view in views] == PINNED
    laid_out = lay_out(FLIPPED, views=4).views
    assert laid_out[1:] == views[1:] and laid_out[0] != views[0]


def test_on_another_canvas_objects_keep_their_sizes() -> None:
    assert MANY.on_canvas((48, 96)) == WIDE
    assert WIDE.for_detection() == Letterbox(canvas=(48, 96))
