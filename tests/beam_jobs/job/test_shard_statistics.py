"""Statistics of a shard, however many records it has."""

from __future__ import annotations

import numpy as np
import pytest

from beam_jobs.job.shard_statistics import ShardStatistics, add_up
from pipeline.geometry.anchors import Anchors, FeatureMap
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record
from pipeline.records.statistics import IOU_BINS, NO_SIZE
from pipeline.views.placement import Rectangle, Shape
from pipeline.views.view import View

ANCHORS = Anchors((FeatureMap((2, 2), ((0.5, 0.5),)), FeatureMap((1, 1), ((1.0, 1.0),))))


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


def record(size: Shape, *views: list[int]) -> Record:
    """A record whose views have these labels."""
    return Record("key", "id", *size, b"", "raw", tuple(view(labels) for labels in views))


def test_a_hand_made_shard() -> None:
    statistics = ShardStatistics(3, ANCHORS, 0.5)
    first = [matches([0, 3, 4], [0, 0, 0], [1], [0.95, 0.2]), matches([2], [0], [0, 1, 3], [0.55])]
    statistics.add(record((30, 20), [2, 0], [2]), first)
    statistics.add(record((10, 25), [], []), [matches([], [], [], []), matches([], [], [], [])])
    statistics.add(record((15, 40), [2], []), [matches([4], [0], [], [1.0]), matches([], [], [], [])])
    assert statistics.summary() == {
        "examples": 3,
        "views": 6,
        "objects": 3,
        "boxes": 4,
        "boxes_per_class": [1, 0, 3],
        "best_iou_histogram": [0] * 4 + [1] + [0] * 6 + [1] + [0] * 7 + [2],
        "boxes_of_positive_iou": 3,
        "boxes_without_anchor": 1,
        "positives": 5,
        "positives_per_map": [3, 2],
        "ignored": 4,
        "least_height": 10,
        "least_width": 20,
        "most_height": 30,
        "most_width": 40,
        "most_boxes": 2,
        "most_positives": 3,
        "most_ignored": 3,
    }


def test_an_empty_shard_does_not_decide_the_least() -> None:
    empty, one = (ShardStatistics(3, ANCHORS, 0.5) for _ in range(2))
    one.add(record((30, 20), [1]), [matches([0], [0], [], [0.7])])
    assert empty.summary()["least_height"] == NO_SIZE and empty.summary()["most_height"] == 0
    assert add_up([empty.summary(), one.summary(), empty.summary()]) == one.summary()


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("examples", [0, 1, 255, 256, 257, 700])
def test_many_records_count_as_they_do_one_by_one(examples: int, views: int) -> None:
    rng = np.random.default_rng(examples)
    together, alone = ShardStatistics(3, ANCHORS, 0.5), [ShardStatistics(3, ANCHORS, 0.5).summary()]
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
        one = ShardStatistics(3, ANCHORS, 0.5)
        one.add(made, found)
        alone.append(one.summary())
    assert together.summary() == add_up(alone)
    assert together.summary()["examples"] == examples and together.summary()["views"] == views * examples
    assert len(together.summary()["best_iou_histogram"]) == IOU_BINS
