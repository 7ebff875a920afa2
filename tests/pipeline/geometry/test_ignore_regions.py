"""Anchors over crowds and difficult objects: those by hand, and the same as the slow reference says."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry.anchors import AnchorConfig, make_anchors
from pipeline.geometry.ignore_regions import IgnoreRegions, find_anchors_over, no_boxes
from pipeline.geometry.matching import MatchingConfig
from pipeline.geometry.targets import Targets, encode_views
from tests import reference

CANVAS = 224
ANCHORS = make_anchors(IMPROVED_ANCHORS, (CANVAS, CANVAS))
# One map of 2 x 2 cells, with one anchor each that fills its cell.
FOUR = make_anchors(AnchorConfig((8,), (1.0,), ((1.0,),), "cell"), (16, 16))


def random_boxes(random: np.random.Generator, count: int) -> np.ndarray:
    low = random.uniform(0, 0.8, (count, 2))
    return np.concatenate([low, np.minimum(low + random.uniform(0.02, 0.6, (count, 2)), 1.0)], axis=1)


def test_no_regions_have_no_anchors() -> None:
    assert len(IgnoreRegions()) == 0
    assert find_anchors_over(IgnoreRegions(), ANCHORS, IMPROVED_MATCHING).tolist() == []


@pytest.mark.parametrize(
    ("crowd", "expected"),
    [
        ([0, 0, 1, 1], [0, 1, 2, 3]),
        ([0, 0, 0.5, 0.5], [0]),
        ([0, 0, 0.5, 0.25], [0]),  # half of it
        ([0, 0, 0.5, 0.24], []),
        ([0, 0, 0.5, 0.75], [0, 1]),
        ([0.25, 0.25, 0.75, 0.75], []),  # a quarter of each
        ([0.2, 0, 0.8, 1], [0, 1, 2, 3]),
    ],
)
def test_an_anchor_is_ignored_if_half_of_it_lies_in_a_crowd(crowd: list[float], expected: list[int]) -> None:
    regions = IgnoreRegions(crowd=np.array([crowd], np.float64))
    assert find_anchors_over(regions, FOUR, IMPROVED_MATCHING).tolist() == expected


def test_each_crowd_counts_by_itself() -> None:
    halves = np.array([[0, 0, 0.25, 0.2], [0.25, 0, 0.5, 0.2]])
    assert find_anchors_over(IgnoreRegions(crowd=halves), FOUR, IMPROVED_MATCHING).tolist() == []
    both = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    assert find_anchors_over(IgnoreRegions(crowd=both), FOUR, IMPROVED_MATCHING).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("matching", "width", "expected"),
    [
        (MatchingConfig(0.5, 0.4), 0.2, [0]),  # an IoU of 0.4
        (MatchingConfig(0.5, 0.4), 0.199, []),
        (MatchingConfig(0.5, None), 0.25, [0]),
        (MatchingConfig(0.5, None), 0.249, []),
        (MatchingConfig(0.3, 0.4), 0.15, [0]),
    ],
)
def test_an_anchor_is_ignored_if_it_overlaps_a_difficult_object_enough(
    matching: MatchingConfig, width: float, expected: list[int]
) -> None:
    regions = IgnoreRegions(difficult=np.array([[0, 0, 0.5, width]]))
    assert find_anchors_over(regions, FOUR, matching).tolist() == expected


@pytest.mark.parametrize(
    ("config", "matching"), [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)]
)
def test_the_anchors_are_the_references(config: AnchorConfig, matching: MatchingConfig) -> None:
    random = np.random.default_rng(0)
    anchors = make_anchors(config, (CANVAS, CANVAS))
    corners = [reference.corners(c) for c in anchors.centroids.tolist()]
    lowest = min(t for t in (matching.positive_iou, matching.ignore_iou) if t is not None)
    for _ in range(5):
        crowd, difficult = random_boxes(random, 2), random_boxes(random, 2)
        expected = []
        for number, anchor in enumerate(corners):
            ymin, xmin, ymax, xmax = anchor
            area = (ymax - ymin) * (xmax - xmin)
            inside = [
                max(0, min(ymax, c[2]) - max(ymin, c[0])) * max(0, min(xmax, c[3]) - max(xmin, c[1]))
                for c in crowd.tolist()
            ]
            overlaps = [reference.iou(box, anchor) for box in difficult.tolist()]
            if max(inside) >= 0.5 * area or max(overlaps) >= lowest:
                expected.append(number)
        found = find_anchors_over(IgnoreRegions(crowd, difficult), anchors, matching)
        assert found.tolist() == expected and found.dtype == np.int64


def test_what_is_matched_stays_matched_and_the_rest_over_regions_is_ignored() -> None:
    boxes, labels = np.array([[0.1, 0.1, 0.5, 0.4]], np.float32), np.array([3])
    ((plain, _),) = encode_views([boxes], [labels], anchors=ANCHORS, matching=IMPROVED_MATCHING)
    regions = IgnoreRegions(crowd=np.array([[0.0, 0, 1, 1]]))
    ((targets, matches),) = encode_views(
        [boxes], [labels], anchors=ANCHORS, matching=IMPROVED_MATCHING, regions=[regions]
    )
    np.testing.assert_array_equal(targets.anchors, plain.anchors)
    np.testing.assert_array_equal(targets.classes, plain.classes)
    np.testing.assert_array_equal(targets.offsets, plain.offsets)
    over = find_anchors_over(regions, ANCHORS, IMPROVED_MATCHING)
    expected = sorted({*over.tolist(), *plain.ignored.tolist()} - set(plain.anchors.tolist()))
    assert targets.ignored.tolist() == matches.ignored.tolist() == expected
    assert targets.ignored.dtype == np.int64


def test_a_view_with_regions_does_not_change_others() -> None:
    boxes = [np.array([[0.1, 0.1, 0.5, 0.4]], np.float32), np.zeros((0, 4), np.float32)]
    labels = [np.array([3]), np.zeros(0, np.int64)]
    crowd = IgnoreRegions(crowd=np.array([[0.5, 0.5, 1.0, 1.0]]), difficult=no_boxes())
    plain = encode_views(boxes, labels, anchors=ANCHORS, matching=IMPROVED_MATCHING)
    some = encode_views(boxes, labels, anchors=ANCHORS, matching=IMPROVED_MATCHING, regions=[IgnoreRegions(), crowd])
    none = encode_views(
        boxes, labels, anchors=ANCHORS, matching=IMPROVED_MATCHING, regions=[IgnoreRegions(), IgnoreRegions()]
    )

    def assert_same(found: Targets, expected: Targets) -> None:
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), value, name, strict=True)

    for view in range(2):
        assert_same(none[view][0], plain[view][0])
    assert_same(some[0][0], plain[0][0])
    assert len(some[1][0].ignored) > 0 and len(some[1][0].anchors) == 0
