"""The statistics of a shard or a split, as receipts and manifests hold them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.field_types import Count
from pipeline.config.records_config import MAX_IMAGE, MAX_OBJECTS
from pipeline.errors import require

IOU_BINS = 20  # of 0.05 each; an IoU of 1 is in the last one
NO_SIZE = MAX_IMAGE  # the least size where there is no image


@dataclass(frozen=True)
class Statistics:
    """What a shard or a split holds. Boxes, positives and ignored anchors are counted in every view.

    Statistics of several shards are added up, except that `least_…` takes the minimum and `most_…` the maximum.
    """

    examples: Count
    views: Count
    objects: Count  # boxes of the first views, and the images' crowds and difficult objects
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


def check_statistics(
    statistics: Statistics, *, classes: int, map_starts: tuple[int, ...], views: int, name: str
) -> None:
    """Checks that statistics agree with themselves and fit a record set.

    Args:
        statistics: of a shard or a split.
        classes: of the record set, without background.
        map_starts: of its anchors.
        views: of each record.
        name: for messages.

    Raises `UserError` with the field, after `name`.
    """
    maps, anchors = len(map_starts) - 1, map_starts[-1]
    total_views = statistics.examples * views
    require(statistics.views == total_views, f"{name}.views", f"{total_views}, {views} a record", statistics.views)
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
    for field, most in (
        ("most_height", MAX_IMAGE),
        ("most_width", MAX_IMAGE),
        ("least_height", statistics.most_height if statistics.examples else NO_SIZE),
        ("least_width", statistics.most_width if statistics.examples else NO_SIZE),
        ("objects", MAX_OBJECTS * statistics.examples),
        ("most_boxes", min(MAX_OBJECTS, statistics.boxes)),
        ("most_positives", min(anchors, statistics.positives)),
        ("most_ignored", min(anchors, statistics.ignored)),
    ):
        count = getattr(statistics, field)
        require(count <= most, f"{name}.{field}", f"at most {most}", count)
