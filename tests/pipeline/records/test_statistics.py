"""Statistics: those that agree with themselves pass, and every field that does not is named."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.compositions.composition import MAX_IMAGE
from pipeline.errors import UserError
from pipeline.records.statistics import IOU_BINS, NO_SIZE, Statistics, check_statistics
from tests.record_sets import CLASS_NAMES, TINY, make_records, statistics_of

MAP_STARTS = (0, 10, 14)
# Of two records with three views each.
WHOLE = Statistics(
    examples=2,
    views=6,
    objects=3,
    boxes=8,
    boxes_per_class=(5, 0, 3),
    best_iou_histogram=(*[0] * (IOU_BINS - 2), 2, 6),
    boxes_of_positive_iou=8,
    boxes_without_anchor=0,
    positives=20,
    positives_per_map=(19, 1),
    ignored=7,
    least_height=10,
    least_width=20,
    most_height=30,
    most_width=20,
    most_boxes=2,
    most_positives=4,
    most_ignored=3,
)
NOTHING = Statistics(
    examples=0,
    views=0,
    objects=0,
    boxes=0,
    boxes_per_class=(0, 0, 0),
    best_iou_histogram=(0,) * IOU_BINS,
    boxes_of_positive_iou=0,
    boxes_without_anchor=0,
    positives=0,
    positives_per_map=(0, 0),
    ignored=0,
    least_height=NO_SIZE,
    least_width=NO_SIZE,
    most_height=0,
    most_width=0,
    most_boxes=0,
    most_positives=0,
    most_ignored=0,
)


def check(statistics: Statistics, views: int = 3) -> None:
    check_statistics(statistics, classes=3, map_starts=MAP_STARTS, views=views, name="statistics.train")


def test_statistics_that_agree_pass() -> None:
    check(WHOLE)
    check(NOTHING)


@pytest.mark.parametrize("views", [1, 3])
def test_statistics_of_records_pass(views: int) -> None:
    config = dataclasses.replace(TINY, views=views)
    map_starts = (0, 256, 352, 376, 382, 386, 390)
    for count in (0, 1, 5):
        statistics = Statistics(**statistics_of(make_records(config, "train", count), config))
        check_statistics(statistics, classes=len(CLASS_NAMES), map_starts=map_starts, views=views, name="train")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"views": 5}, "views must be 6, 3 a record, got 5"),
        ({"examples": 3}, "views must be 9, 3 a record, got 6"),
        ({"boxes_per_class": (5, 3)}, "boxes_per_class must be a list of 3, got 2"),
        ({"boxes_per_class": (5, 0, 4)}, "boxes_per_class must be counts that add up to 8, got 9"),
        ({"best_iou_histogram": (8,)}, "best_iou_histogram must be a list of 20, got 1"),
        ({"best_iou_histogram": (1,) * IOU_BINS}, "best_iou_histogram must be counts that add up to 8, got 20"),
        ({"positives_per_map": (20,)}, "positives_per_map must be a list of 2, got 1"),
        ({"positives_per_map": (19, 2)}, "positives_per_map must be counts that add up to 20, got 21"),
        ({"boxes_of_positive_iou": 9}, "boxes_of_positive_iou must be at most 8, got 9"),
        ({"boxes_without_anchor": 9}, "boxes_without_anchor must be at most 8, got 9"),
        ({"objects": 10**9}, "objects must be at most 20000, got 1000000000"),
        ({"most_height": MAX_IMAGE + 1}, "most_height must be at most 65500, got 65501"),
        ({"most_width": MAX_IMAGE + 1}, "most_width must be at most 65500, got 65501"),
        ({"least_height": 31}, "least_height must be at most 30, got 31"),
        ({"least_width": 21}, "least_width must be at most 20, got 21"),
        ({"least_width": NO_SIZE}, "least_width must be at most 20, got 65500"),
        ({"most_boxes": 9}, "most_boxes must be at most 8, got 9"),
        ({"most_positives": 15}, "most_positives must be at most 14, got 15"),  # as many as there are anchors
        ({"most_ignored": 8}, "most_ignored must be at most 7, got 8"),
        ({"ignored": 100, "most_ignored": 15}, "most_ignored must be at most 14, got 15"),
    ],
)
def test_a_field_that_contradicts_others_is_named(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError) as caught:
        check(dataclasses.replace(WHOLE, **change))
    assert str(caught.value) == f"statistics.train.{fault}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"most_positives": 1}, "most_positives"),
        ({"most_ignored": 1}, "most_ignored"),
        ({"most_boxes": 1}, "most_boxes"),
        ({"objects": 1}, "objects"),
        ({"least_height": NO_SIZE + 1}, "least_height"),
    ],
)
def test_a_split_without_records_has_nothing(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=f"^statistics.train.{named} must be at most "):
        check(dataclasses.replace(NOTHING, **change))
