"""Near anchors: complete down to where they say, exact, and few."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.presets import IMPROVED_ANCHORS
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from pipeline.geometry.boxes import iou
from pipeline.geometry.near_anchors import near_pairs
from pipeline.geometry.precedence import BILLION, to_billionths
from tests.pipeline.geometry.near_cases import THRESHOLDS, random_anchors, random_boxes


def test_pairs_are_complete_and_exact() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        anchors = random_anchors(random)
        boxes = random_boxes(random, anchors, int(random.integers(1, 9)))
        least_iou = float(random.choice(THRESHOLDS))
        table = to_billionths(iou(boxes, anchors.corners))
        pairs = near_pairs(boxes, anchors, least_iou=least_iou)
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
    anchors = make_anchors(IMPROVED_ANCHORS, 224)
    low = random.random((300, 2)) * 0.5
    boxes = np.concatenate([low, low + 0.2 + 0.3 * random.random((300, 2))], axis=1)
    pairs = near_pairs(boxes, anchors, least_iou=least_iou)
    assert len(pairs.boxes) < most * (iou(boxes, anchors.corners) >= least_iou).sum()


def test_a_rectangle_by_hand() -> None:
    """4 × 6 cells, anchors of 1/4 × 1/6. The box is the anchor in row 2, column 3, one half column to the right."""
    anchors = Anchors((FeatureMap((4, 6), ((1 / 4, 1 / 6),)),))
    box = np.array([[2 / 4, 3.5 / 6, 3 / 4, 4.5 / 6]])
    pairs = near_pairs(box, anchors, least_iou=0.3)
    assert pairs.anchors.tolist() == [2 * 6 + 3, 2 * 6 + 4]
    assert pairs.billionths.tolist() == [333_333_333] * 2
    assert pairs.complete_from == pytest.approx([0.25])
