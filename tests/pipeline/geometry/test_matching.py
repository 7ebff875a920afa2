"""Matching: the rules one by one, and both passes against the slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry.anchors import AnchorConfig, make_anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import FORCED, Matches, MatchingConfig, match, match_bipartite
from tests import reference

HALF = MatchingConfig(positive_iou=0.5, ignore_iou=0.4)
PRESETS = pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)


def table(rows: ArrayLike) -> Array:
    return np.array(rows, np.float64)


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.anchors.tolist(), matches.ground_truths.tolist(), strict=True))


def assert_as_reference(overlaps: Array, config: MatchingConfig) -> None:
    expected = reference.assign(overlaps.tolist(), config.positive_iou, config.ignore_iou, config.forced)
    matches = match(overlaps, config)
    assert pairs(matches) == sorted(expected.ground_truth_of.items())
    assert matches.ignored.tolist() == sorted(expected.ignored)
    assert matches.best_iou.tolist() == [max(round(v, 9) for v in row) for row in overlaps.tolist()]


def test_each_ground_truth_gets_its_best_anchor() -> None:
    assert match_bipartite(table([[0.1, 0.7, 0.3], [0.6, 0.2, 0.1]])).tolist() == [1, 0]


def test_the_best_pair_goes_first_and_the_other_takes_what_is_left() -> None:
    assert match_bipartite(table([[0.5, 0.8, 0.2], [0.1, 0.9, 0.3]])).tolist() == [0, 1]


def test_a_loser_can_lose_again() -> None:
    assert match_bipartite(table([[0.9, 0.8, 0.1], [0.8, 0.7, 0.2], [0.7, 0.75, 0.3]])).tolist() == [0, 2, 1]


def test_ties_go_to_the_lower_ground_truth_and_then_the_lower_anchor() -> None:
    assert match_bipartite(table([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])).tolist() == [0, 1]


def test_a_ground_truth_without_a_free_anchor_stays_alone() -> None:
    assert match_bipartite(table([[0.5], [0.6]])).tolist() == [-1, 0]
    assert match_bipartite(table([[0.0, 0.0], [0.0, 0.6]])).tolist() == [-1, 1]


def test_one_ground_truth_that_nothing_overlaps_matches_nothing() -> None:
    matches = match(table([[0.0, 0.0, 0.0]]), HALF)
    assert pairs(matches) == [] and matches.ignored.tolist() == [] and matches.best_iou.tolist() == [0.0]


def test_bipartite_matching_ignores_the_threshold_and_the_second_pass_does_not() -> None:
    assert pairs(match(table([[0.05, 0.04, 0.03]]), HALF)) == [(0, 0)]
    assert pairs(match(table([[0.5, 0.49, 0.7]]), HALF)) == [(0, 0), (2, 0)]


def test_the_second_pass_gives_an_anchor_its_best_ground_truth() -> None:
    # Two objects with several anchors each: an index truncated from the IoU would name ground truth 0 for all.
    overlaps = table([[0.9, 0.6, 0.1, 0.2], [0.2, 0.55, 0.8, 0.7]])
    assert pairs(match(overlaps, HALF)) == [(0, 0), (1, 0), (2, 1), (3, 1)]


def test_an_anchor_won_in_the_first_pass_keeps_its_ground_truth_though_another_overlaps_more() -> None:
    overlaps = table([[0.9, 0.0], [0.8, 0.0], [0.7, 0.95]])
    assert pairs(match(overlaps, HALF)) == [(0, 0), (1, 2)]
    crowded = table([[0.9, 0.8], [0.85, 0.3]])  # ground truth 1 is left with anchor 1, which overlaps 0 more
    assert pairs(match(crowded, HALF)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("forced", "expected", "ignored"),
    [
        ("bipartite", [(0, 0), (2, 1)], []),
        ("first", [(0, 0), (2, 1)], []),
        ("last", [(0, 0), (2, 1)], []),
        ("none", [(2, 1)], [0]),
    ],
)
def test_forced_matches(forced: str, expected: list[tuple[int, int]], ignored: list[int]) -> None:
    """The best anchor of object 0 is below the threshold, that of object 1 above it; nothing overlaps object 2."""
    overlaps = table([[0.45, 0.3, 0.0], [0.42, 0.1, 0.6], [0.0, 0.0, 0.0]])
    matches = match(overlaps, MatchingConfig(0.5, 0.4, forced))
    assert pairs(matches) == expected and matches.ignored.tolist() == ignored


@pytest.mark.parametrize(
    ("forced", "expected"),
    [
        ("bipartite", [(0, 1), (1, 0)]),  # the best pair is that of object 1, and object 0 has what is left
        ("first", [(0, 0), (1, 1)]),  # anchor 1 is over the threshold for object 1
        ("last", [(0, 2), (1, 1)]),
        ("none", [(0, 1), (1, 1)]),
    ],
)
def test_an_anchor_that_is_best_for_several(forced: str, expected: list[tuple[int, int]]) -> None:
    overlaps = table([[0.7, 0.3, 0.0], [0.8, 0.6, 0.0], [0.2, 0.1, 0.0]])
    assert pairs(match(overlaps, MatchingConfig(0.5, None, forced))) == expected


@pytest.mark.parametrize(("forced", "expected"), [("bipartite", 1), ("first", 1), ("last", 1), ("none", 0)])
def test_a_single_object_is_forced_too(forced: str, expected: int) -> None:
    matches = match(table([[0.1, 0.2]]), MatchingConfig(0.5, None, forced))
    assert len(matches.anchors) == expected


def test_ignored_anchors_are_unmatched_and_overlap_from_the_ignore_threshold() -> None:
    matches = match(table([[0.39, 0.4, 0.49, 0.5, 0.9]]), HALF)
    assert matches.anchors.tolist() == [3, 4] and matches.ignored.tolist() == [1, 2]


@pytest.mark.parametrize("ignore_iou", [None, 0.5])
def test_no_ignore_threshold_or_one_above_positive_ignores_nothing(ignore_iou: float | None) -> None:
    config = MatchingConfig(positive_iou=0.3, ignore_iou=ignore_iou)
    matches = match(table([[0.29, 0.3, 0.5, 0.9]]), config)
    assert matches.anchors.tolist() == [1, 2, 3] and matches.ignored.tolist() == []


def test_the_last_bits_of_a_division_decide_nothing() -> None:
    almost = 0.3 - 1e-12
    assert pairs(match(table([[almost, 0.9]]), BASELINE_MATCHING)) == [(0, 0), (1, 0)]
    assert match_bipartite(np.round(table([[0.7, 0.7 + 1e-12]]), 9)).tolist() == [0]
    assert pairs(match(table([[0.9, 0.6], [0.1, 0.6 + 1e-12]]), HALF)) == [(0, 0), (1, 1)]
    assert pairs(match(table([[0.9, 0.0, 0.6], [0.1, 0.9, 0.6 + 1e-12]]), HALF)) == [(0, 0), (1, 1), (2, 0)]


def test_an_iou_that_rounds_to_0_never_matches() -> None:
    assert pairs(match(table([[4e-10, 0.0]]), HALF)) == []


@pytest.mark.parametrize("anchor_count", [5, 798])
def test_no_ground_truth_no_matches(anchor_count: int) -> None:
    matches = match(np.zeros((0, anchor_count)), HALF)
    for part in (matches.anchors, matches.ground_truths, matches.ignored):
        assert part.dtype == np.int64 and part.shape == (0,)
    assert matches.best_iou.shape == (0,)


def test_matching_leaves_the_table_alone() -> None:
    overlaps = np.random.default_rng(0).random((4, 9))
    rounded = np.round(overlaps, 9)
    before = overlaps.copy(), rounded.copy()
    match(overlaps, HALF)
    match_bipartite(rounded)
    np.testing.assert_array_equal(overlaps, before[0])
    np.testing.assert_array_equal(rounded, before[1])


def test_both_passes_are_the_references_with_many_ties() -> None:
    random = np.random.default_rng(1)
    for _ in range(400):
        shape = int(random.integers(1, 7)), int(random.integers(1, 15))
        overlaps = random.integers(0, 11, shape) / 10.0
        overlaps[random.random(shape) < 0.3] = 0.0
        positive, ignore = random.choice([0.1, 0.3, 0.5, 0.8, 1.0], 2)
        for forced in FORCED:
            assert_as_reference(overlaps, MatchingConfig(float(positive), float(ignore), forced))


def test_both_passes_are_the_references_in_any_memory_order() -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        overlaps = random.random((5, 20))
        assert_as_reference(np.asfortranarray(overlaps), HALF)


@PRESETS
def test_real_anchors_are_matched_as_the_reference_does(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    random = np.random.default_rng(3)
    corners = make_anchors(anchor_config, (224, 224)).corners
    for count in [1] * 12 + [2, 3, 5, 8]:
        side = random.integers(8, 100, (count, 1))
        low = random.integers(0, 124, (count, 2))
        boxes = np.concatenate([low, low + side], axis=1) / 224.0
        assert_as_reference(iou(boxes, corners), matching)


@pytest.mark.parametrize("count", [20, 40])
def test_a_crowd_is_matched_as_the_reference_does(count: int) -> None:
    """Up to 40 objects of one size in one corner: nearly all want the same few anchors."""
    random = np.random.default_rng(count)
    corners = make_anchors(BASELINE_ANCHORS, (112, 112)).corners
    low = random.integers(0, 20, (count, 2))
    boxes = np.concatenate([low, low + 32], axis=1) / 112.0
    assert_as_reference(iou(boxes, corners), BASELINE_MATCHING)


def test_equal_boxes_share_their_anchors_out() -> None:
    corners = make_anchors(BASELINE_ANCHORS, (224, 224)).corners
    overlaps = iou(np.array([[18, 113, 82, 177]] * 3) / 224.0, corners)
    assert_as_reference(overlaps, BASELINE_MATCHING)
    assert set(match(overlaps, BASELINE_MATCHING).ground_truths.tolist()) == {0, 1, 2}
