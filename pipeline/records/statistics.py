"""The statistics of a shard or a split, as receipts and manifests hold them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.field_types import Count
from pipeline.errors import require

IOU_BINS = 20  # of 0.05 each; an IoU of 1 is in the last one


@dataclass(frozen=True)
class Statistics:
    """Counts that can be added up."""

    examples: Count
    boxes: Count
    boxes_per_class: tuple[Count, ...]
    best_iou_histogram: tuple[Count, ...]  # boxes by their best IoU with any anchor
    boxes_of_positive_iou: Count  # boxes whose best IoU reaches the positive threshold
    boxes_without_anchor: Count
    positives: Count  # matched anchors
    positives_per_map: tuple[Count, ...]
    ignored: Count  # anchors that are neither object nor background


def check_statistics(statistics: Statistics, *, classes: int, maps: int, name: str) -> None:
    """Checks that statistics fit a record set of so many classes and feature maps, and agree with themselves.

    Raises `UserError` with the field, after `name`.
    """
    for field, count, total in (
        ("boxes_per_class", classes, statistics.boxes),
        ("best_iou_histogram", IOU_BINS, statistics.boxes),
        ("positives_per_map", maps, statistics.positives),
    ):
        counts = getattr(statistics, field)
        require(len(counts) == count, f"{name}.{field}", f"a list of {count}", len(counts))
        require(sum(counts) == total, f"{name}.{field}", f"counts that add up to {total}", sum(counts))
    for field in ("boxes_of_positive_iou", "boxes_without_anchor"):
        count = getattr(statistics, field)
        require(count <= statistics.boxes, f"{name}.{field}", f"at most {statistics.boxes}", count)
