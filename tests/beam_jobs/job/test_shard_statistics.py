"""Statistics of a shard, however many records it has."""

from __future__ import annotations

import numpy as np
import pytest

from beam_jobs.job.shard_statistics import IOU_BINS, ShardStatistics, add_up
from pipeline.geometry.anchors import Anchors, FeatureMap
from pipeline.geometry.matching import Matches

ANCHORS = Anchors((FeatureMap((2, 2), ((0.5, 0.5),)), FeatureMap((1, 1), ((1.0, 1.0),))))


def matches(anchors: list[int], ground_truths: list[int], ignored: list[int], best_iou: list[float]) -> Matches:
    return Matches(
        np.array(anchors, np.int64), np.array(ground_truths, np.int64), np.array(ignored, np.int64), np.array(best_iou)
    )


def test_a_hand_made_shard() -> None:
    statistics = ShardStatistics(3, ANCHORS, 0.5)
    statistics.add(np.array([2, 0]), matches([0, 3, 4], [0, 0, 0], [1], [0.95, 0.2]))
    statistics.add(np.array([], np.int64), matches([], [], [], []))
    statistics.add(np.array([2]), matches([4], [0], [], [1.0]))
    assert statistics.summary() == {
        "examples": 3,
        "boxes": 3,
        "boxes_per_class": [1, 0, 2],
        "best_iou_histogram": [0] * 4 + [1] + [0] * 14 + [2],
        "boxes_of_positive_iou": 2,
        "boxes_without_anchor": 1,
        "positives": 4,
        "positives_per_map": [2, 2],
        "ignored": 1,
    }


@pytest.mark.parametrize("examples", [0, 1, 255, 256, 257, 700])
def test_many_records_count_as_they_do_one_by_one(examples: int) -> None:
    rng = np.random.default_rng(examples)
    together, alone = ShardStatistics(3, ANCHORS, 0.5), [ShardStatistics(3, ANCHORS, 0.5).summary()]
    for _ in range(examples):
        labels = rng.integers(0, 3, 2)
        found = matches([int(rng.integers(0, 5))], [int(rng.integers(0, 2))], [], rng.random(2).tolist())
        together.add(labels, found)
        one = ShardStatistics(3, ANCHORS, 0.5)
        one.add(labels, found)
        alone.append(one.summary())
    assert together.summary() == add_up(alone)
    assert together.summary()["examples"] == examples
    assert len(together.summary()["best_iou_histogram"]) == IOU_BINS
