"""Statistics of a shard, however many records it has."""

from __future__ import annotations

import dataclasses
import functools
import operator

import msgspec
import numpy as np
import pytest

from pipeline.compositions.composition import GroundTruth, SourceImage
from pipeline.compositions.view import Rectangle, Shape, View
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record
from pipeline.records.statistics import IOU_BINS, NO_SIZE, Statistics, StatisticsCounter
from tests.record_sets import CLASS_NAMES, TINY, make_matched_record, statistics_of

ANCHORS = Anchors((FeatureMap((2, 2), ((0.5, 0.5),)), FeatureMap((1, 1), ((1.0, 1.0),))))


def counter() -> StatisticsCounter:
    return StatisticsCounter(3, ANCHORS, 0.5)


def matches(anchors: list[int], ground_truths: list[int], ignored: list[int], best_iou: list[float]) -> Matches:
    return Matches(
        np.array(anchors, np.int64), np.array(ground_truths, np.int64), np.array(ignored, np.int64), np.array(best_iou)
    )


def view(labels: list[int]) -> RecordView:
    """A view of so many objects; statistics look at nothing else of it."""
    none = np.zeros(0, np.int64)
    how = View(Rectangle(0, 0, 1, 1), Rectangle(0, 0, 1, 1), mirrored=False)
    targets = Targets(none, none, np.zeros((0, 4), np.float32), none, none)
    return RecordView(how, np.zeros((len(labels), 4), np.float32), np.array(labels, np.int64), targets)


def record(size: Shape, *views: list[int], truth: GroundTruth | None = None) -> Record:
    """A record whose views have these labels."""
    drawn = (SourceImage(size, label=0) if truth is None else SourceImage(size, truth=truth),)
    return Record("key", "id", *size, b"", "raw", tuple(view(labels) for labels in views), drawn)


def test_a_hand_made_shard() -> None:
    counted = counter()
    first = [matches([0, 3, 4], [0, 0, 0], [1], [0.95, 0.2]), matches([2], [0], [0, 1, 3], [0.55])]
    counted.add(record((30, 20), [2, 0], [2]), first)
    counted.add(record((10, 25), [], []), [matches([], [], [], []), matches([], [], [], [])])
    counted.add(record((15, 40), [2], []), [matches([4], [0], [], [1.0]), matches([], [], [], [])])
    assert counted.total() == Statistics(
        examples=3,
        views=6,
        objects=3,
        boxes=4,
        boxes_per_class=(1, 0, 3),
        best_iou_histogram=(0,) * 4 + (1,) + (0,) * 6 + (1,) + (0,) * 7 + (2,),
        boxes_of_positive_iou=3,
        boxes_without_anchor=1,
        positives=5,
        positives_per_map=(3, 2),
        ignored=4,
        least_height=10,
        least_width=20,
        most_height=30,
        most_width=40,
        most_boxes=2,
        most_positives=3,
        most_ignored=3,
    )


def test_objects_that_are_no_targets_count_once_and_not_as_boxes() -> None:
    """A crowd, a difficult object and an ignored one, beside two objects, of which the first view shows one."""
    row = np.arange(5)
    truth = GroundTruth(np.zeros((5, 4)), np.zeros(5, np.int64), row == 2, row == 3, row == 4, np.ones(5))
    counted = counter()
    counted.add(record((9, 9), [1], [1, 1], truth=truth), [matches([], [], [], [0.1] * n) for n in (1, 2)])
    assert (counted.total().objects, counted.total().boxes) == (4, 3)


def test_an_empty_shard_does_not_decide_the_least() -> None:
    one, empty = counter(), counter().total()
    one.add(record((30, 20), [1]), [matches([0], [0], [], [0.7])])
    assert empty.least_height == NO_SIZE and empty.most_height == 0
    assert empty + one.total() + empty == one.total()


def test_unequal_lists_of_altered_receipts_can_be_added_and_then_compared() -> None:
    empty = counter().total()
    longer = msgspec.structs.replace(empty, boxes_per_class=(0, 0, 0, 5))
    assert (empty + longer).boxes_per_class == (longer + empty).boxes_per_class == (0, 0, 0, 5)


@pytest.mark.parametrize("views", [1, 3])
def test_records_as_they_are_made_count_as_they_do_box_by_box(views: int) -> None:
    config = dataclasses.replace(TINY, views=views)
    anchors = make_anchors(config.anchors, (64, 64))
    for count in (0, 1, 5):
        made = [make_matched_record(config, anchors, "train", number) for number in range(count)]
        counted = StatisticsCounter(len(CLASS_NAMES), anchors, config.matching.positive_iou)
        for one, found in made:
            counted.add(one, found)
        of_matching = ("best_iou_histogram", "boxes_of_positive_iou", "boxes_without_anchor")
        alone = statistics_of([one for one, _ in made], config)
        total = counted.total()
        assert msgspec.structs.replace(alone, **{name: getattr(total, name) for name in of_matching}) == total
        assert sum(total.best_iou_histogram) == total.boxes == sum(total.boxes_per_class)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("examples", [0, 1, 255, 256, 257, 700])
def test_many_records_count_as_they_do_one_by_one(examples: int, views: int) -> None:
    rng = np.random.default_rng(examples)
    together, alone = counter(), [counter().total()]
    for _ in range(examples):
        made = record(
            (int(rng.integers(1, 99)), int(rng.integers(1, 99))),
            *(rng.integers(0, 3, 2).tolist() for _ in range(views)),
        )
        found = [
            matches([int(rng.integers(0, 5))], [int(rng.integers(0, 2))], [], rng.random(2).tolist())
            for _ in range(views)
        ]
        together.add(made, found)
        one = counter()
        one.add(made, found)
        alone.append(one.total())
    total = together.total()
    assert total == functools.reduce(operator.add, alone)
    assert total.examples == examples and total.views == views * examples
    assert len(total.best_iou_histogram) == IOU_BINS
