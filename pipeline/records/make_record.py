"""Makes a record of a picture that is laid on the canvas: the ground truth and the targets of every view."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array
from pipeline.geometry.ignore_regions import IgnoreRegions, no_boxes
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import encode_views
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.packed_view import RecordView
from pipeline.records.picture_codec import encode_picture
from pipeline.records.record import Record
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape
from pipeline.views.view import View, boxes_in_views


@dataclass(frozen=True)
class SourcePicture:
    """A picture with boxes of its own, as its source has it."""

    size: Shape  # height and width, pixels
    truth: GroundTruth
    image_id: str | None = None


@dataclass(frozen=True)
class Layout:
    """The ground truth of a stored picture, and the picture's views: all that is known without decoding it."""

    corners: Array  # [G, 4] pixels of the stored picture
    labels: NDArray[np.int64]  # [G]
    views: tuple[View, ...]
    crowd: Array = field(default_factory=no_boxes)  # [C, 4] regions of crowds, pixels of the stored picture
    difficult: Array = field(default_factory=no_boxes)  # [D, 4] difficult objects

    @property
    def has_regions(self) -> bool:
        """Whether there are crowds or difficult objects."""
        return len(self.crowd) + len(self.difficult) > 0

    def truths(self, *, size: int) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """The ground truth in each view: corners in [0, 1] of a canvas of `size` pixels, [K, 4]; labels, [K]."""
        return [(boxes, self.labels[kept]) for boxes, kept in boxes_in_views(self.views, self.corners, size=size)]

    def regions(self, *, size: int) -> list[IgnoreRegions]:
        """Where each view shows crowds and difficult objects."""
        crowds, difficult = (
            [boxes.astype(np.float64) for boxes, _ in boxes_in_views(self.views, corners, size=size, by_center=False)]
            for corners in (self.crowd, self.difficult)
        )
        return [IgnoreRegions(*both) for both in zip(crowds, difficult, strict=True)]


def make_record(
    pixels: Picture,
    layout: Layout,
    *,
    key: str,
    source_id: str,
    config: RecordsConfig,
    anchors: Anchors,
    source: SourcePicture | None = None,
) -> tuple[Record, tuple[Matches, ...]]:
    """The record of a picture, and how each of its views was matched.

    Args:
        pixels: the picture as it is stored, [h, w, 3] uint8 RGB.
        layout: its ground truth and views.
        key: of the record.
        source_id: of the source's picture.
        config: canvas, thresholds and format.
        anchors: of the record set.
        source: the source's picture, if the source gives boxes.
    """
    size = config.canvas_size
    truths = layout.truths(size=size)
    boxes, labels = zip(*truths, strict=True)
    regions = layout.regions(size=size) if layout.has_regions else None
    encoded = encode_views(boxes, labels, anchors=anchors, matching=config.matching, regions=regions)
    views = tuple(
        RecordView(view, *truth, targets)
        for view, truth, (targets, _) in zip(layout.views, truths, encoded, strict=True)
    )
    record = Record(
        key=key,
        source_id=source_id,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoded=encode_picture(pixels, config.picture_format),
        format=config.picture_format,
        views=views,
        source_size=source.size if source else None,
        truth=source.truth if source else None,
        image_id=source.image_id if source else None,
    )
    return record, tuple(matches for _, matches in encoded)
