"""Counts what a shard holds; the counts of shards add up to those of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.records.record import Record
from pipeline.records.statistics import IOU_BINS, NO_SIZE
from pipeline.views.placement import Shape

_HELD = 256  # views that are counted together: cheaper, and memory does not grow with the shard


class ShardStatistics:
    """Collects labels and matches, record by record, and counts them."""

    def __init__(self, classes: int, anchors: Anchors, positive_iou: float) -> None:
        self._classes, self._anchors, self._positive_iou = classes, anchors, positive_iou
        self._sizes: list[Shape] = []
        self._labels: list[NDArray[np.int64]] = []
        self._matches: list[Matches] = []
        self._objects = 0
        self._counted = self._count()

    def add(self, record: Record, matches: Sequence[Matches]) -> None:
        """Adds a record and the matches of its views."""
        self._sizes.append((record.height, record.width))
        self._labels += [view.labels for view in record.views]
        self._matches += matches
        ignored = 0 if record.truth is None else int((~record.truth.is_target).sum())
        self._objects += len(matches[0].best_iou) + ignored
        if len(self._matches) >= _HELD:
            self._counted = self.summary()
            self._sizes, self._labels, self._matches, self._objects = [], [], [], 0

    def summary(self) -> dict[str, Any]:
        """The counts, as plain JSON. `add_up` adds those of several shards."""
        return add_up([self._counted, self._count()])

    def _count(self) -> dict[str, Any]:
        labels = np.concatenate([np.zeros(0, np.int64), *self._labels])
        best = np.concatenate([np.zeros(0), *(m.best_iou for m in self._matches)])
        anchors = np.concatenate([np.zeros(0, np.int64), *(m.anchors for m in self._matches)])
        positives = [np.bincount(m.ground_truths, minlength=len(m.best_iou)) for m in self._matches]
        reached = np.concatenate([np.zeros(0, np.int64), *positives]) > 0
        maps = np.histogram(anchors, bins=np.asarray(self._anchors.map_starts))[0]
        bins = np.minimum((best * IOU_BINS).astype(np.int64), IOU_BINS - 1)
        heights, widths = zip(*self._sizes, strict=True) if self._sizes else ((), ())
        return {
            "examples": len(self._sizes),
            "views": len(self._matches),
            "objects": self._objects,
            "boxes": len(labels),
            "boxes_per_class": np.bincount(labels, minlength=self._classes).tolist(),
            "best_iou_histogram": np.bincount(bins, minlength=IOU_BINS).tolist(),
            "boxes_of_positive_iou": int((best >= self._positive_iou).sum()),
            "boxes_without_anchor": int((~reached).sum()),
            "positives": len(anchors),
            "positives_per_map": maps.tolist(),
            "ignored": int(sum(len(m.ignored) for m in self._matches)),
            "least_height": min(heights, default=NO_SIZE),
            "least_width": min(widths, default=NO_SIZE),
            "most_height": max(heights, default=0),
            "most_width": max(widths, default=0),
            "most_boxes": max((len(m.best_iou) for m in self._matches), default=0),
            "most_positives": max((len(m.anchors) for m in self._matches), default=0),
            "most_ignored": max((len(m.ignored) for m in self._matches), default=0),
        }


def add_up(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Combines one or more summaries: the minimum of `least_…` fields, the maximum of `most_…`, the sum of others."""
    first, *rest = summaries
    total = {k: list(v) if isinstance(v, list) else v for k, v in first.items()}
    for summary in rest:
        for key, value in summary.items():
            if isinstance(value, list):
                total[key] = [a + b for a, b in zip(total[key], value, strict=True)]
            elif key.startswith("least_"):
                total[key] = min(total[key], value)
            elif key.startswith("most_"):
                total[key] = max(total[key], value)
            else:
                total[key] += value
    return total
