"""Anchor grids: every anchor is where its grid says."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, IMPROVED_ANCHORS
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors

ODD = Anchors((FeatureMap((2, 3), ((0.5, 0.25), (0.1, 0.2))), FeatureMap((1, 1), ((1.0, 1.0),))))


@pytest.mark.parametrize("anchors", [make_anchors(BASELINE_ANCHORS, 224), make_anchors(IMPROVED_ANCHORS, 100), ODD])
def test_grids_hold_every_anchor_once(anchors: Anchors) -> None:
    grids = anchors.grids
    found = []
    for shape, first in enumerate(grids.first.tolist()):
        (rows, columns), size = grids.cells[:, 0, shape].astype(int), grids.sizes[:, 0, shape]
        assert grids.areas[shape] == size[0] * size[1]
        for row in range(rows):
            for column in range(columns):
                index = first + row * grids.steps[0, shape] + column * grids.steps[1, shape]
                found.append(index)
                centre = [(row + 0.5) / rows, (column + 0.5) / columns]
                np.testing.assert_array_equal(anchors.centroids[index], [*centre, *size])
    assert sorted(found) == list(range(len(anchors)))


def test_grids_by_hand() -> None:
    assert ODD.grids.first.tolist() == [0, 1, 12]
    assert ODD.grids.steps.tolist() == [[6, 6, 1], [2, 2, 1]]
    assert ODD.grids.cells[:, 0].tolist() == [[2, 2, 1], [3, 3, 1]]
