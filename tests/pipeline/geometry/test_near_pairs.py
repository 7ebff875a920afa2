"""What near matching is made of: the grids of anchors, the pairs near a box, ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, IMPROVED_ANCHORS
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from pipeline.geometry.boxes import iou
from pipeline.geometry.near_matching import (
    BILLION,
    billionths_of,
    count_billionths,
    find_near_pairs,
    index_of,
    make_grids,
    rank,
    to_billionths,
)
from tests.pipeline.geometry.near_cases import THRESHOLDS, random_anchors, random_boxes

ODD = Anchors((FeatureMap((2, 3), ((0.5, 0.25), (0.1, 0.2))), FeatureMap((1, 1), ((1.0, 1.0),))))


@pytest.mark.parametrize(
    "anchors", [make_anchors(BASELINE_ANCHORS, (224, 224)), make_anchors(IMPROVED_ANCHORS, (100, 100)), ODD]
)
def test_grids_hold_every_anchor_once(anchors: Anchors) -> None:
    grids = make_grids(anchors)
    found = []
    for shape, first in enumerate(grids.first.tolist()):
        (rows, columns), size = grids.counts[:, 0, shape].astype(int), grids.sizes[:, 0, shape]
        assert grids.areas[shape] == size[0] * size[1]
        for row in range(rows):
            for column in range(columns):
                index = first + row * grids.steps[0, shape] + column * grids.steps[1, shape]
                found.append(index)
                centre = [(row + 0.5) / rows, (column + 0.5) / columns]
                np.testing.assert_array_equal(anchors.centroids[index], [*centre, *size])
    assert sorted(found) == list(range(len(anchors)))


def test_grids_by_hand() -> None:
    assert make_grids(ODD).first.tolist() == [0, 1, 12]
    assert make_grids(ODD).steps.tolist() == [[6, 6, 1], [2, 2, 1]]
    assert make_grids(ODD).counts[:, 0].tolist() == [[2, 2, 1], [3, 3, 1]]
    assert make_grids(ODD).cells[:, 0].tolist() == [[2, 2, 1], [3, 3, 1]]


def test_pairs_are_complete_and_exact() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        anchors = random_anchors(random)
        boxes = random_boxes(random, anchors, int(random.integers(1, 9)))
        least_iou = float(random.choice(THRESHOLDS))
        table = to_billionths(iou(boxes, anchors.corners))
        pairs = find_near_pairs(boxes, anchors, least_iou=least_iou)
        assert (np.diff(pairs.boxes) >= 0).all()
        np.testing.assert_array_equal(pairs.billionths, table[pairs.boxes, pairs.anchors])
        listed = np.zeros(table.shape, np.int64)
        np.add.at(listed, (pairs.boxes, pairs.anchors), 1)
        assert listed.max() <= 1  # no pair twice
        needed = (table >= pairs.complete_from[:, None] * BILLION) & (table > 0)
        assert listed[needed].all()
        assert (pairs.complete_from <= least_iou).all()
        best = table.max(axis=1)
        assert (pairs.complete_from * BILLION <= best)[best > 0].all()


@pytest.mark.parametrize(("least_iou", "most"), [(0.4, 2.0), (0.05, 1.6)])
def test_few_anchors_are_listed(least_iou: float, most: float) -> None:
    """At most so many times the anchors that reach the threshold: what the corners of rectangles add."""
    random = np.random.default_rng(1)
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    low = random.random((300, 2)) * 0.5
    boxes = np.concatenate([low, low + 0.2 + 0.3 * random.random((300, 2))], axis=1)
    pairs = find_near_pairs(boxes, anchors, least_iou=least_iou)
    assert len(pairs.boxes) < most * (iou(boxes, anchors.corners) >= least_iou).sum()


def test_a_rectangle_by_hand() -> None:
    """4 × 6 cells, anchors of 1/4 × 1/6. The box is the anchor in row 2, column 3, one half column to the right."""
    anchors = Anchors((FeatureMap((4, 6), ((1 / 4, 1 / 6),)),))
    box = np.array([[2 / 4, 3.5 / 6, 3 / 4, 4.5 / 6]])
    pairs = find_near_pairs(box, anchors, least_iou=0.3)
    assert pairs.anchors.tolist() == [2 * 6 + 3, 2 * 6 + 4]
    assert pairs.billionths.tolist() == [333_333_333] * 2
    assert pairs.complete_from == pytest.approx([0.25])


def test_a_higher_iou_goes_first_and_then_a_lower_index() -> None:
    pairs = [(BILLION, 7), (BILLION, 4_000_000_000), (5, 0), (5, 1), (0, 0), (0, 9)]
    billionths, indices = np.array(pairs).T
    ordered = rank(billionths, indices)
    assert (np.diff(ordered) < 0).all() and (ordered > 0).all()
    np.testing.assert_array_equal(billionths_of(ordered), billionths)
    np.testing.assert_array_equal(index_of(ordered), indices)


def test_billionths_are_what_numpy_rounds_to() -> None:
    random = np.random.default_rng(0)
    halves = (np.arange(2000) + 0.5) * 1e-9
    iou = np.concatenate([random.random(100_000), halves, 1 - halves, [0.0, 1.0, 4.9e-10, 5.1e-10]])
    np.testing.assert_array_equal(to_billionths(iou) / BILLION, np.round(iou, 9))


@pytest.mark.parametrize(
    "threshold", [1e-12, 1e-9, 0.05, 0.1, 0.3, 1 / 3, 0.5, 0.95, 1.0, *np.linspace(0.01, 0.99, 99)]
)
def test_least_billionths_reach_the_threshold_and_one_less_does_not(threshold: float) -> None:
    for value in (threshold, math.nextafter(threshold, 0), min(1.0, math.nextafter(threshold, 1))):
        count = count_billionths(value)
        assert count / BILLION >= value > (count - 1) / BILLION
