"""Making a record: every view has the ground truth that lies in it, matched as it would be alone."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from pipeline.compositions.composition import GroundTruth, Layout, SourceImage
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.view import Rectangle, View, move_boxes_to_view
from pipeline.config.records_config import IMAGE_FORMATS
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.ignore_regions import find_anchors_over, no_boxes
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets
from pipeline.records.build_records import EncodedImage, build_records
from pipeline.records.image_codec import encode_image
from pipeline.records.record import Record, decode_record, encode_record
from tests.one_record import make_record
from tests.one_view import encode_targets
from tests.record_sets import TINY

CONFIG = replace(TINY, composition=Letterbox(canvas=(64, 64)), views=3)
ANCHORS = make_anchors(CONFIG.anchors, (64, 64))
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
NO, YES = np.array([False] * 3), np.array([False, False, True])
SOURCE = SourceImage(
    (400, 800),
    truth=GroundTruth(
        corners=np.array([[0.0, 0, 200, 200], [100, 300, 400, 700], [0, 600, 100, 800]]),
        labels=np.array([2, 1, 0]),
        crowd=YES,
        difficult=NO,
        ignored=NO,
        area=np.array([40_000.0, 120_000.0, 12_345.0]),
    ),
    image_id="1234",
)
LAYOUT = Layout(
    canvas=(64, 64),
    shape=(40, 80),
    drawn=(SOURCE,),
    placed=(),
    corners=np.array([[0.0, 0, 20, 20], [10, 30, 40, 70]]),
    labels=np.array([2, 1]),
    views=(
        View(Rectangle(0, 0, 40, 80), Rectangle(0, 0, 32, 64), mirrored=False),
        View(
            Rectangle(0, 0, 40, 40), Rectangle(0, 0, 64, 64), mirrored=True
        ),  # the first box alone has its centre here
        View(Rectangle(30, 70, 10, 10), Rectangle(0, 0, 64, 64), mirrored=False),  # nothing but background
    ),
)


def made(image_format: str = "raw", layout: Layout = LAYOUT) -> tuple[Record, tuple[Matches, ...]]:
    config = replace(CONFIG, image_format=image_format)
    return make_record(PIXELS, layout, key="train/7/0", config=config, anchors=ANCHORS)


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_a_record_holds_the_image_as_it_is_stored(image_format: str) -> None:
    record, _ = made(image_format)
    assert (record.key, record.source_id) == ("train/7/0", "7")
    assert record.drawn == (SOURCE,) and record.truth is SOURCE.truth
    assert (record.height, record.width, record.format) == (40, 80, image_format)
    assert record.encoded == encode_image(PIXELS, image_format)
    if image_format != "jpeg":
        np.testing.assert_array_equal(record.image(), PIXELS)
    assert decode_record(encode_record(record)).image().shape == (40, 80, 3)


def test_a_view_has_the_boxes_whose_centres_it_shows_with_their_labels() -> None:
    first, second, third = made()[0].views
    assert [view.view for view in (first, second, third)] == list(LAYOUT.views)
    np.testing.assert_allclose(first.boxes * 64, [[0, 0, 16, 16], [8, 24, 32, 56]], atol=1e-5)
    assert first.labels.tolist() == [2, 1]
    np.testing.assert_allclose(second.boxes * 64, [[0, 32, 32, 64]], atol=1e-5)
    assert second.labels.tolist() == [2]
    assert third.boxes.shape == (0, 4) and third.labels.tolist() == []
    for view, (boxes, labels) in zip((first, second, third), LAYOUT.truths(), strict=True):
        np.testing.assert_array_equal(boxes, view.boxes, strict=True)
        np.testing.assert_array_equal(labels, view.labels, strict=True)
        np.testing.assert_array_equal(
            boxes, move_boxes_to_view(view.view, LAYOUT.corners, canvas=(64, 64))[0], strict=True
        )


def test_a_view_has_the_targets_and_matches_of_its_own_ground_truth() -> None:
    record, matches = made()
    assert len(matches) == 3
    for view, found in zip(record.views, matches, strict=True):
        targets, expected = encode_targets(view.boxes, view.labels, anchors=ANCHORS, matching=CONFIG.matching)
        for field in fields(Targets):
            np.testing.assert_array_equal(getattr(view.targets, field.name), getattr(targets, field.name), strict=True)
        for field in fields(Matches):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), strict=True)
    assert [len(view.targets.anchors) > 0 for view in record.views] == [True, True, False]
    assert set(record.views[0].targets.classes.tolist()) == {1, 2}


def test_a_positive_anchor_names_the_box_that_it_is_matched_with() -> None:
    for view in made()[0].views:
        np.testing.assert_array_equal(view.labels[view.targets.objects], view.targets.classes)
    assert set(made()[0].views[0].targets.objects.tolist()) == {0, 1}


def test_fewer_views_of_an_image_are_the_first_of_more() -> None:
    record, _ = made()
    fewer, _ = made(layout=replace(LAYOUT, views=LAYOUT.views[:2]))
    assert encode_record(replace(record, views=record.views[:2])) == encode_record(fewer)


@pytest.mark.parametrize("kind", ["crowd", "difficult"])
def test_find_anchors_over_crowds_and_difficult_objects_are_ignored_in_the_views_that_show_them(kind: str) -> None:
    region = np.array([[0.0, 42, 24, 66]])  # its centre is not in the second view, and neither is anything of it
    crowd, difficult = (region, no_boxes()) if kind == "crowd" else (no_boxes(), region)
    layout = replace(LAYOUT, crowd=crowd, difficult=difficult)
    plain, _ = made()
    record, matches = made(layout=layout)
    for number, (view, without) in enumerate(zip(record.views, plain.views, strict=True)):
        np.testing.assert_array_equal(view.boxes, without.boxes)
        np.testing.assert_array_equal(view.targets.anchors, without.targets.anchors)
        np.testing.assert_array_equal(view.targets.offsets, without.targets.offsets)
        over = find_anchors_over(layout.regions()[number], ANCHORS, CONFIG.matching)
        expected = (set(without.targets.ignored.tolist()) | set(over.tolist())) - set(view.targets.anchors.tolist())
        assert view.targets.ignored.tolist() == sorted(expected) == matches[number].ignored.tolist()
    assert len(record.views[0].targets.ignored) > len(plain.views[0].targets.ignored)
    np.testing.assert_array_equal(record.views[1].targets.ignored, plain.views[1].targets.ignored)


def test_a_region_counts_where_anything_of_it_is_shown() -> None:
    """Unlike a box, whose centre must be shown."""
    layout = replace(LAYOUT, crowd=np.array([[0.0, 30, 40, 80]]))
    regions = layout.regions()[1]
    np.testing.assert_allclose(regions.crowd, [[0, 0, 1, 0.25]])  # mirrored, and cut at the view's border
    assert regions.crowd.dtype == np.float64 and len(regions.difficult) == 0
    assert layout.truths()[1][1].tolist() == [2]


def test_records_made_together_are_those_made_alone() -> None:
    """With other numbers of views and boxes, with crowds and without."""
    crowd = np.array([[0.0, 42, 24, 66]])
    layouts = [
        LAYOUT,
        replace(LAYOUT, crowd=crowd, views=LAYOUT.views[:1]),
        replace(LAYOUT, corners=np.zeros((0, 4)), labels=np.zeros(0, np.int64), views=LAYOUT.views[:2]),
        replace(LAYOUT, corners=np.tile(LAYOUT.corners, (9, 1)), labels=np.arange(18) % 3, difficult=crowd),
    ]
    encoded, companion = encode_image(PIXELS, "raw"), SourceImage((40, 80), label=1)
    images = [
        EncodedImage(f"train/{number}/0", encoded, layout if number % 2 else replace(layout, drawn=(companion,) * 2))
        for number, layout in enumerate(layouts)
    ]
    together = build_records(images, config=CONFIG, anchors=ANCHORS)
    assert [len(matches) for _, matches in together] == [3, 1, 2, 3]
    for image, (record, matches) in zip(images, together, strict=True):
        alone, alone_matches = build_records([image], config=CONFIG, anchors=ANCHORS)[0]
        assert encode_record(record) == encode_record(alone)
        for found, expected in zip(matches, alone_matches, strict=True):
            np.testing.assert_array_equal(found.best_iou, expected.best_iou, strict=True)
            np.testing.assert_array_equal(found.ground_truths, expected.ground_truths, strict=True)
    assert build_records([], config=CONFIG, anchors=ANCHORS) == []
