"""Matching of views: the same matches by either way, wherever one gives way to the other."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry import view_matching
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.view_matching import match_views
from tests.pipeline.geometry.near_cases import assert_same, match_table, random_boxes

ANCHORS = make_anchors(IMPROVED_ANCHORS, 224)


@pytest.mark.parametrize("counts", [[], [0], [0, 0], [1], [2], [3], [1, 1, 1], [1] * 4, [0, 0, 0, 0, 1], [7, 0, 2]])
def test_few_boxes_and_many_are_matched_alike(counts: list[int]) -> None:
    random = np.random.default_rng(len(counts))
    views = [random_boxes(random, ANCHORS, count) for count in counts]
    found = match_views(views, ANCHORS, IMPROVED_MATCHING)
    assert_same(found, match_table(views, ANCHORS, IMPROVED_MATCHING))


@pytest.mark.parametrize(("counts", "near"), [([1], False), ([0, 1, 1], False), ([10], True), ([1] * 16, True)])
def test_few_boxes_are_matched_from_the_table_and_many_are_not(
    counts: list[int], near: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("must not be called")

    monkeypatch.setattr(view_matching, "match" if near else "match_near", refuse)
    views = [random_boxes(np.random.default_rng(0), ANCHORS, count) for count in counts]
    assert len(match_views(views, ANCHORS, IMPROVED_MATCHING)) == len(counts)
