"""Near matching is table matching, to the bit: over random and mean cases, and against the slow reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry import near_matching
from pipeline.geometry.anchors import AnchorConfig, Anchors, FeatureMap, make_anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import FORCED, Matches, MatchingConfig
from pipeline.geometry.near_matching import match_near, match_views
from tests import reference
from tests.pipeline.geometry.near_cases import (
    THRESHOLDS,
    assert_same,
    match_table,
    random_anchors,
    random_boxes,
    random_config,
)

PRESETS = pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)

ANCHORS = make_anchors(IMPROVED_ANCHORS, (224, 224))


def assert_as_table(views: list[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    found = match_near(views, anchors, config)
    assert_same(found, match_table(views, anchors, config))
    return found


def pixels(rows: list[list[int]], canvas: int = 224) -> Array:
    return (np.array(rows, np.float64).reshape(-1, 4) / canvas).astype(np.float32).astype(np.float64)


def squares(random: np.random.Generator, count: int, sides: tuple[int, int], canvas: int = 224) -> Array:
    """Squares anywhere on a canvas, sides in pixels."""
    side = random.integers(sides[0], sides[1] + 1, (count, 1))
    low = (random.random((count, 2)) * (canvas - side + 1)).astype(np.int64)
    return pixels(np.concatenate([low, low + side], axis=1).tolist(), canvas)


@pytest.mark.parametrize("seed", range(4))
def test_random_anchors_boxes_and_thresholds(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(250):
        anchors = random_anchors(random)
        counts = random.integers(0, 7, random.integers(1, 5)).tolist()
        views = [random_boxes(random, anchors, count) for count in [*counts, 1]]
        assert_as_table(views, anchors, random_config(random, np.concatenate(views), anchors))


def test_random_cases_are_the_references() -> None:
    random = np.random.default_rng(4)
    for _ in range(120):
        anchors = random_anchors(random, most_cells=4)
        boxes = random_boxes(random, anchors, int(random.integers(1, 6)))
        config = random_config(random, boxes, anchors)
        overlaps = [[reference.iou(b, a) for a in anchors.corners.tolist()] for b in boxes.tolist()]
        expected = reference.assign(overlaps, config.positive_iou, config.ignore_iou, config.forced)
        (found,) = match_near([boxes], anchors, config)
        pairs = zip(found.anchors.tolist(), found.ground_truths.tolist(), strict=True)
        assert list(pairs) == sorted(expected.ground_truth_of.items())
        assert found.ignored.tolist() == sorted(expected.ignored)
        assert found.best_iou.tolist() == [max(round(v, 9) for v in row) for row in overlaps]


@PRESETS
@pytest.mark.parametrize("count", [1, 2, 10, 50, 200])
def test_real_anchors(anchor_config: AnchorConfig, matching: MatchingConfig, count: int) -> None:
    random = np.random.default_rng(count)
    anchors = make_anchors(anchor_config, (224, 224))
    for sides in [(4, 20), (16, 112), (64, 64), (113, 224)]:
        assert_as_table([squares(random, count, sides)], anchors, matching)


@PRESETS
def test_thresholds_from_low_to_high(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    random = np.random.default_rng(5)
    anchors = make_anchors(anchor_config, (224, 224))
    views = [squares(random, 6, (8, 200)) for _ in range(3)]
    for positive in THRESHOLDS:
        for ignore in (*THRESHOLDS, None):
            assert_as_table(views, anchors, MatchingConfig(positive, ignore))


@pytest.mark.parametrize(("count", "side"), [(30, 64), (200, 64), (60, 8), (40, 200)])
def test_a_crowd_that_wants_the_same_anchors(count: int, side: int) -> None:
    """Objects of one size in one corner: most must give way, in the end to anchors that are not near."""
    random = np.random.default_rng(count)
    low = random.integers(0, 12, (count, 2))
    boxes = pixels(np.concatenate([low, low + side], axis=1).tolist())
    for config in (BASELINE_ANCHORS, IMPROVED_ANCHORS):
        assert_as_table([boxes, boxes[: count // 2]], make_anchors(config, (224, 224)), IMPROVED_MATCHING)


@pytest.mark.parametrize("seed", range(2))
def test_crowds_of_any_size_are_settled_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way for very many boxes, taken as soon as one box has no near anchor."""
    monkeypatch.setattr(near_matching, "_MOST_ROWS", 0)
    monkeypatch.setattr(near_matching, "_BLOCK", 7)
    monkeypatch.setattr(near_matching, "_ROWS", 3)
    random = np.random.default_rng(seed)
    for _ in range(100):
        anchors = random_anchors(random)
        views = [random_boxes(random, anchors, int(random.integers(1, 30))) for _ in range(3)]
        assert_as_table(
            views, anchors, replace(random_config(random, np.concatenate(views), anchors), forced="bipartite")
        )


def test_more_boxes_than_anchors() -> None:
    """Many more boxes than are settled one by one, of one place and of all."""
    random = np.random.default_rng(7)
    anchors = make_anchors(BASELINE_ANCHORS, (224, 224))
    views = [squares(random, 900, (40, 60)), pixels([[20, 20, 90, 90]] * 900), squares(random, 900, (2, 9))]
    assert_as_table(views, anchors, BASELINE_MATCHING)


def test_more_boxes_than_one_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_matching, "_MOST_BOXES", 10)
    random = np.random.default_rng(8)
    views = [random_boxes(random, ANCHORS, count) for count in (4, 20, 0, 7, 7, 1)]
    assert_same(match_views(views, ANCHORS, IMPROVED_MATCHING), match_table(views, ANCHORS, IMPROVED_MATCHING))


@pytest.mark.parametrize("forced", FORCED)
def test_every_rule_of_forcing(forced: str) -> None:
    random = np.random.default_rng(9)
    config = replace(IMPROVED_MATCHING, forced=forced)
    for count in (3, 40):
        boxes = squares(random, count, (8, 60))
        views = [boxes, np.zeros((0, 4)), boxes[:3], boxes[::-1].copy()]
        assert_as_table(views, ANCHORS, config)


def test_nothing_is_forced_and_nothing_overlaps_enough() -> None:
    boxes = pixels([[3, 3, 7, 7], [3, 3, 7, 8]])
    (found,) = assert_as_table([boxes], ANCHORS, replace(IMPROVED_MATCHING, forced="none"))
    assert len(found.anchors) == 0 and found.best_iou.all()


def test_more_equal_boxes_than_anchors() -> None:
    """Ground truth 0 has the best anchor, 1 the second best, and so on, until none is left that overlaps."""
    anchors = Anchors((FeatureMap((3, 3), ((0.3, 0.3),)), FeatureMap((1, 1), ((1.0, 1.0),))))
    (found,) = assert_as_table([pixels([[0, 0, 120, 120]] * 30)], anchors, IMPROVED_MATCHING)
    assert len(found.anchors) == 5  # four of the 3 × 3 cells, and the large one


def test_a_box_that_must_take_an_anchor_outside_its_rectangle() -> None:
    """Two equal boxes want the anchor that they equal; the one refused takes a neighbour of IoU 1/3, far below."""
    anchors = Anchors((FeatureMap((4, 4), ((0.25, 0.5),)),))
    boxes = np.array([[0.25, 0.125, 0.5, 0.625]] * 2)
    (found,) = assert_as_table([boxes], anchors, MatchingConfig(0.95, 0.9))
    assert found.anchors.tolist() == [4, 5] and found.ground_truths.tolist() == [1, 0]


def test_a_box_inside_its_anchors_takes_the_lowest() -> None:
    """The box lies inside 4 × 4 anchors alike: the same IoU with each, and the first of all wins."""
    anchors = Anchors((FeatureMap((8, 8), ((0.6, 0.6),)),))
    box = np.array([[0.49, 0.49, 0.51, 0.51]])
    table = iou(box, anchors.corners)[0]
    assert (np.round(table, 9) == np.round(table.max(), 9)).sum() == 16
    (found,) = assert_as_table([box], anchors, IMPROVED_MATCHING)
    assert found.anchors.tolist() == [int(table.nonzero()[0][0])] == [18]


def test_a_box_around_its_anchors_takes_the_lowest() -> None:
    anchors = Anchors((FeatureMap((8, 8), ((0.05, 0.05),)),))
    (found,) = assert_as_table([np.array([[0.2, 0.2, 0.8, 0.8]])], anchors, IMPROVED_MATCHING)
    assert found.anchors.tolist() == [18]


@pytest.mark.parametrize(("less", "matched"), [(2e-10, [0, 1]), (6e-10, [1])])
def test_rounding_lifts_an_iou_to_the_threshold(less: float, matched: list[int]) -> None:
    """An IoU of 0.5 − 2e-10 counts as 0.5, one of 0.5 − 6e-10 does not. Anchor 1 is the box's own in any case."""
    anchors = Anchors((FeatureMap((1, 1), ((0.5, 0.5), (0.25, 0.5))),))
    box = np.array([[0.375 + less / 2, 0.25, 0.625, 0.75]])
    assert iou(box, anchors.corners)[0, 0] == pytest.approx(0.5 - less, rel=0, abs=1e-12)
    (found,) = assert_as_table([box], anchors, MatchingConfig(0.5, 0.5))
    assert found.anchors.tolist() == matched


@pytest.mark.parametrize(("overlap", "matched"), [(4e-10, []), (6e-10, [0]), (3e-9, [0])])
def test_the_least_iou_that_matches(overlap: float, matched: list[int]) -> None:
    anchors = Anchors((FeatureMap((1, 1), ((1.0, 1.0),)),))
    side = overlap**0.5
    (found,) = assert_as_table([np.array([[0.4, 0.4, 0.4 + side, 0.4 + side]])], anchors, IMPROVED_MATCHING)
    assert found.anchors.tolist() == matched


def test_boxes_without_area_match_nothing_and_raise_nothing() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    boxes = np.array([[0.5, 0.5, 0.5, 0.5], [0.2, 0.1, 0.2, 0.9], [2.0, 2.0, 3.0, 3.0], [0.6, 0.6, 0.4, 0.4]])
    with np.errstate(all="raise"):
        (found,) = assert_as_table([boxes], anchors, IMPROVED_MATCHING)
    assert len(found.anchors) == len(found.ignored) == 0 and not found.best_iou.any()


def test_a_view_is_matched_alike_alone_and_among_others() -> None:
    random = np.random.default_rng(6)
    anchors = make_anchors(IMPROVED_ANCHORS, (224, 224))
    views = [squares(random, count, (8, 150)) for count in (1, 0, 9, 1, 3, 0)]
    together = match_near(views, anchors, IMPROVED_MATCHING)
    assert_same(together, match_table(views, anchors, IMPROVED_MATCHING))
    for number in (0, 2, 3, 4):
        assert_same(match_near([views[number]], anchors, IMPROVED_MATCHING), [together[number]])


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

    monkeypatch.setattr(near_matching, "match" if near else "match_near", refuse)
    views = [random_boxes(np.random.default_rng(0), ANCHORS, count) for count in counts]
    assert len(match_views(views, ANCHORS, IMPROVED_MATCHING)) == len(counts)
