"""Letterboxes: the stored image, its views, and what becomes ground truth, what a region, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.compositions.composition import GroundTruth, Layout, PlacedImage, SourceImage, no_objects
from pipeline.compositions.crop import Crop, draw_window
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.resize import shrink
from pipeline.compositions.view import Rectangle, Shape, View, move_boxes_to_view, show_window
from pipeline.geometry.boxes import Array

SHAPE = (120, 200)
BOXES = np.array([[20.0, 30, 100, 130], [50, 100, 80, 190], [0, 0, 8, 8]])
CONFIG = Letterbox(canvas=(96, 96))
UNCROPPED = Letterbox(canvas=(96, 96), crop=None)
NO_FLIP = Letterbox(canvas=(96, 96), flip=False)
WIDE = Letterbox(canvas=(48, 96))
STRETCHED = Letterbox(canvas=(48, 96), stretch=True)
KINDS = {"plain": CONFIG, "uncropped": UNCROPPED, "no flip": NO_FLIP, "wide": WIDE, "stretched": STRETCHED}
each_kind = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
# Of the record of key train/0/0. What is drawn may not change from one version to the next: records must be the same
# bytes.
PINNED = [
    View(Rectangle(0, 0, 120, 200), Rectangle(0, 0, 58, 96), mirrored=False),
    View(Rectangle(0, 35, 101, 165), Rectangle(15, 0, 53, 87), mirrored=False),
    View(Rectangle(30, 24, 81, 110), Rectangle(0, 0, 71, 96), mirrored=True),
    View(Rectangle(0, 0, 120, 200), Rectangle(33, 32, 20, 34), mirrored=True),
]

SHRUNK = Letterbox(canvas=(64, 64), image_side=40)
NO = np.zeros(7, bool)
SOURCE = SourceImage(
    (40, 80),  # stored as 20 x 40
    truth=GroundTruth(
        corners=np.array(
            [
                [4.0, 6, 36, 50],
                [10, 40, 30, 76],
                [0, 0, 20, 80],  # a crowd
                [20, 10, 40, 30],  # difficult or ignored
                [-3, 70, 10, 85],  # reaches over the border
                [41, 10, 45, 20],  # beside the image
                [0, 0, 40, 20],  # a crowd, and difficult or ignored
            ]
        ),
        labels=np.arange(7),
        crowd=np.isin(np.arange(7), (2, 6)),
        difficult=np.isin(np.arange(7), (3, 6)),
        ignored=NO,
        area=np.ones(7),
    ),
)


def plain_image(boxes: Array, shape: Shape = SHAPE) -> SourceImage:
    """An image with objects that are all targets."""
    no, count = np.zeros(len(boxes), bool), len(boxes)
    return SourceImage(shape, truth=GroundTruth(boxes, np.arange(count), no, no, no, np.ones(count)))


def lay_out(
    config: Letterbox, image: SourceImage, *, views: int = 1, key: str = "train/7/0", evaluation: bool = False
) -> Layout:
    return config.layout(image, views=views, bits=EntryBits(0, key), evaluation=evaluation)


def views_of(
    config: Letterbox, count: int, key: str = "train/0/0", seed: int = 0, boxes: Array = BOXES
) -> tuple[View, ...]:
    return config.layout(plain_image(boxes), views=count, bits=EntryBits(seed, key)).views


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
    assert Letterbox(canvas=(96, 96), image_side=side).stored_shape(shape) == stored


def test_the_stored_image_is_the_source_s_own_or_a_smaller_copy() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    layout = lay_out(SHRUNK, SOURCE)
    assert layout.shape == (20, 40) and layout.drawn == (SOURCE,)
    assert layout.placed == (PlacedImage(SOURCE, Rectangle(0, 0, 20, 40)),)
    np.testing.assert_array_equal(SHRUNK.paint(layout, [pixels]), shrink(pixels, (20, 40)))
    whole = replace(SHRUNK, image_side=None)
    assert whole.paint(lay_out(whole, SOURCE), [pixels]) is pixels


@each_kind
def test_the_first_view_is_the_whole_image_unmirrored(config: Letterbox) -> None:
    whole = show_window(Rectangle(0, 0, *SHAPE), SHAPE, canvas=config.canvas, mirrored=False, stretch=config.stretch)
    assert {views_of(config, 3, str(key))[0] for key in range(20)} == {whole}
    assert move_boxes_to_view(whole, BOXES, canvas=config.canvas)[1].tolist() == [0, 1, 2]


def test_a_stretched_image_fills_the_canvas_and_its_boxes_go_along() -> None:
    layout = lay_out(STRETCHED, plain_image(np.array([[30.0, 50, 60, 150], [0, 0, 120, 200]])))
    assert layout.views == (View(Rectangle(0, 0, *SHAPE), Rectangle(0, 0, 48, 96), mirrored=False),)
    assert layout.truths()[0][0].tolist() == [[0.25, 0.25, 0.5, 0.75], [0, 0, 1, 1]]
    assert lay_out(WIDE, plain_image(BOXES)).views[0].place == Rectangle(0, 0, 48, 80)  # not stretched


@pytest.mark.parametrize("config", [CONFIG, WIDE, STRETCHED], ids=["plain", "wide", "stretched"])
def test_other_views_are_drawn_as_crops_are(config: Letterbox) -> None:
    assert config.crop is not None
    for number, view in enumerate(views_of(config, 100)):
        if number:
            bits = EntryBits(0, "train/0/0").of_view(number)
            window = draw_window(config.crop, SHAPE, BOXES, bits)
            assert view == show_window(
                window, SHAPE, canvas=config.canvas, mirrored=bits.below(2) == 1, stretch=config.stretch
            )


@each_kind
def test_other_views_show_an_object_inside_the_canvas(config: Letterbox) -> None:
    layout = lay_out(config, plain_image(BOXES), views=500)
    for view, (boxes, labels) in zip(layout.views, layout.truths(), strict=True):
        place, shown = view.place, view.shown
        assert min(place.ymin, place.xmin, shown.ymin, shown.xmin) >= 0
        assert place.ymin + place.height <= config.canvas[0] and place.xmin + place.width <= config.canvas[1]
        assert shown.ymin + shown.height <= SHAPE[0] and shown.xmin + shown.width <= SHAPE[1]
        assert len(boxes) == len(labels) > 0 and boxes.min() >= 0 and boxes.max() <= 1


def test_other_views_are_mirrored_half_the_time_if_flip_is_set_and_never_otherwise() -> None:
    views, unmirrored = views_of(CONFIG, 501), views_of(NO_FLIP, 501)
    assert 200 < sum(view.mirrored for view in views) < 300
    assert not any(view.mirrored for view in unmirrored)
    for view, plain in zip(views, unmirrored, strict=True):
        assert view.shown == plain.shown
        assert view == plain or view.mirrored


def test_without_a_crop_every_view_is_the_whole_image() -> None:
    views = views_of(UNCROPPED, 200)
    assert {view.shown for view in views} == {Rectangle(0, 0, *SHAPE)}
    assert {(view.place, view.mirrored) for view in views} == {
        (Rectangle(0, 0, 58, 96), False),
        (Rectangle(0, 0, 58, 96), True),
    }


@each_kind
def test_a_view_depends_on_seed_key_and_number_alone(config: Letterbox) -> None:
    views = views_of(config, 8)
    for count in range(1, 8):
        assert views_of(config, count) == views[:count]
    some = [views_of(config, 8, key, seed)[1:] for key in ("train/0/0", "train/0/1") for seed in (0, 1)]
    assert len(set(some)) == 4


def test_an_image_without_boxes_has_views_too() -> None:
    views = views_of(replace(CONFIG, crop=Crop(zoom_out=(1.0, 1.0))), 50, boxes=np.zeros((0, 4)))
    assert len(set(views)) > 30
    layout = lay_out(SHRUNK, SourceImage((40, 80), truth=no_objects()), views=4)
    assert len(layout.views) == 4 and layout.corners.shape == (0, 4) and layout.too_small.tolist() == []


def test_an_image_that_is_itself_the_object_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a letterbox needs an image with boxes, got one without$"):
        lay_out(CONFIG, SourceImage(SHAPE, label=1))


def test_the_views_are_pinned() -> None:
    assert list(views_of(CONFIG, 4)) == PINNED


@pytest.mark.parametrize("kind", ["difficult", "ignored"])
def test_objects_are_laid_out_in_pixels_of_the_stored_image(kind: str) -> None:
    truth = SOURCE.truth
    assert truth is not None
    flags = {"difficult": NO, "ignored": NO, kind: truth.difficult}
    other = GroundTruth(truth.corners, truth.labels, truth.crowd, area=truth.area, **flags)
    layout = lay_out(SHRUNK, SourceImage((40, 80), truth=other))
    assert layout.corners.tolist() == [[2, 3, 18, 25], [5, 20, 15, 38], [0, 35, 5, 40]]
    assert layout.labels.tolist() == [0, 1, 4]
    assert layout.crowd.tolist() == [[0, 0, 10, 40], [0, 0, 20, 10]]
    assert layout.difficult.tolist() == [[10, 5, 20, 15]]
    assert layout.too_small.tolist() == [5]
    assert other.is_target.tolist() == [True, True, False, False, True, True, False]


@pytest.mark.parametrize("count", [1, 5])
def test_views_are_drawn_for_the_ground_truth_alone(count: int) -> None:
    truth = SOURCE.truth
    assert truth is not None
    layout = lay_out(SHRUNK, SOURCE, views=count)
    alone = GroundTruth(*(values[truth.is_target] for values in vars(truth).values()))
    again = lay_out(SHRUNK, SourceImage((40, 80), truth=alone), views=count)
    assert again.views == layout.views
    assert len(layout.regions()[0]) == 3 and not any(len(regions) for regions in again.regions())


def test_evaluation_changes_nothing() -> None:
    assert lay_out(CONFIG, SOURCE, views=3, evaluation=True).views == lay_out(CONFIG, SOURCE, views=3).views


def test_a_box_too_small_for_the_canvas_is_left_out_of_every_view() -> None:
    layout = lay_out(SHRUNK, plain_image(np.array([[4.0, 6, 36, 50], [1, 1, 1 + 1e-12, 30]]), (40, 80)), views=3)
    assert layout.labels.tolist() == [0] and layout.too_small.tolist() == [1]


def test_on_another_canvas_stored_images_are_limited_in_proportion() -> None:
    config = Letterbox(canvas=(48, 96), image_side=150, flip=False)
    assert config.on_canvas((192, 64)) == Letterbox(canvas=(192, 64), image_side=300, flip=False)
    assert WIDE.on_canvas((9, 9)) == Letterbox(canvas=(9, 9))
    assert config.for_detection() == config
