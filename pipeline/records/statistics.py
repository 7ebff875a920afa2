"""What a shard or a split holds, counted record by record. The counts of shards add up to those of a split."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pipeline.compositions.composition import MAX_IMAGE
from pipeline.compositions.view import Shape
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.records.record import Record
from pipeline.typed_json import Count

IOU_BINS = 20  # of 0.05 each; an IoU of 1 is in the last one
NO_SIZE = MAX_IMAGE  # the least size where there is no image

_HELD = 256  # views that are counted together: cheaper, and memory does not grow with the shard


class Statistics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a shard or a split holds. Boxes, positives and ignored anchors are counted in every view."""

    examples: Count
    views: Count
    objects: Count  # boxes of the first views, and the images' crowds, difficult and ignored objects
    boxes: Count
    boxes_per_class: tuple[Count, ...]
    best_iou_histogram: tuple[Count, ...]  # boxes by their best IoU with any anchor
    boxes_of_positive_iou: Count  # boxes whose best IoU reaches the positive threshold
    boxes_without_anchor: Count
    positives: Count  # matched anchors
    positives_per_map: tuple[Count, ...]
    ignored: Count  # anchors that are neither object nor background
    least_height: Count  # of a stored image, pixels; `NO_SIZE` if there is none
    least_width: Count
    most_height: Count
    most_width: Count
    most_boxes: Count  # of a view
    most_positives: Count  # of a view
    most_ignored: Count  # of a view

    def __add__(self, other: Statistics) -> Statistics:
        """Those of both together."""
        return Statistics(
            examples=self.examples + other.examples,
            views=self.views + other.views,
            objects=self.objects + other.objects,
            boxes=self.boxes + other.boxes,
            boxes_per_class=_add_each(self.boxes_per_class, other.boxes_per_class),
            best_iou_histogram=_add_each(self.best_iou_histogram, other.best_iou_histogram),
            boxes_of_positive_iou=self.boxes_of_positive_iou + other.boxes_of_positive_iou,
            boxes_without_anchor=self.boxes_without_anchor + other.boxes_without_anchor,
            positives=self.positives + other.positives,
            positives_per_map=_add_each(self.positives_per_map, other.positives_per_map),
            ignored=self.ignored + other.ignored,
            least_height=min(self.least_height, other.least_height),
            least_width=min(self.least_width, other.least_width),
            most_height=max(self.most_height, other.most_height),
            most_width=max(self.most_width, other.most_width),
            most_boxes=max(self.most_boxes, other.most_boxes),
            most_positives=max(self.most_positives, other.most_positives),
            most_ignored=max(self.most_ignored, other.most_ignored),
        )


class StatisticsCounter:
    """Counts records, one after the other."""

    def __init__(self, classes: int, anchors: Anchors, positive_iou: float) -> None:
        self._classes, self._anchors, self._positive_iou = classes, anchors, positive_iou
        self._forget()
        self._counted = self._count()

    def add(self, record: Record, matches: Sequence[Matches]) -> None:
        """Adds a record and the matches of its views."""
        self._sizes.append((record.height, record.width))
        self._labels += [view.labels for view in record.views]
        self._matches += matches
        ignored = 0 if record.truth is None else int((~record.truth.is_target).sum())
        self._objects += len(matches[0].best_iou) + ignored
        if len(self._matches) >= _HELD:
            self._counted = self.total()
            self._forget()

    def total(self) -> Statistics:
        """What was counted so far."""
        return self._counted + self._count()

    def _forget(self) -> None:
        self._sizes: list[Shape] = []
        self._labels: list[NDArray[np.int64]] = []
        self._matches: list[Matches] = []
        self._objects = 0

    def _count(self) -> Statistics:
        labels = np.concatenate([np.zeros(0, np.int64), *self._labels])
        best = np.concatenate([np.zeros(0), *(m.best_iou for m in self._matches)])
        anchors = np.concatenate([np.zeros(0, np.int64), *(m.anchors for m in self._matches)])
        positives = [np.bincount(m.ground_truths, minlength=len(m.best_iou)) for m in self._matches]
        reached = np.concatenate([np.zeros(0, np.int64), *positives]) > 0
        maps = np.histogram(anchors, bins=np.asarray(self._anchors.map_starts))[0]
        bins = np.minimum((best * IOU_BINS).astype(np.int64), IOU_BINS - 1)
        heights, widths = zip(*self._sizes, strict=True) if self._sizes else ((), ())
        return Statistics(
            examples=len(self._sizes),
            views=len(self._matches),
            objects=self._objects,
            boxes=len(labels),
            boxes_per_class=tuple(np.bincount(labels, minlength=self._classes).tolist()),
            best_iou_histogram=tuple(np.bincount(bins, minlength=IOU_BINS).tolist()),
            boxes_of_positive_iou=int((best >= self._positive_iou).sum()),
            boxes_without_anchor=int((~reached).sum()),
            positives=len(anchors),
            positives_per_map=tuple(maps.tolist()),
            ignored=int(sum(len(m.ignored) for m in self._matches)),
            least_height=min(heights, default=NO_SIZE),
            least_width=min(widths, default=NO_SIZE),
            most_height=max(heights, default=0),
            most_width=max(widths, default=0),
            most_boxes=max((len(m.best_iou) for m in self._matches), default=0),
            most_positives=max((len(m.anchors) for m in self._matches), default=0),
            most_ignored=max((len(m.ignored) for m in self._matches), default=0),
        )


def _add_each(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in itertools.zip_longest(first, second, fillvalue=0))  # unequal only in altered files
