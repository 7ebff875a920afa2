"""Makes records of pictures that are laid on the canvas: the ground truth and the targets of every view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import encode_views
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.layout import Layout, truths_of
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record
from pipeline.views.placement import Shape


@dataclass(frozen=True)
class SourcePicture:
    """A picture with boxes of its own, as its source has it."""

    size: Shape  # height and width, pixels
    truth: GroundTruth
    image_id: str | None = None


@dataclass(frozen=True)
class LaidOutPicture:
    """A picture as its record stores it, and how it lies on the canvas. Only the targets are missing."""

    key: str  # of the record
    source_id: str
    shape: Shape  # height and width of the stored picture, pixels
    encoded: bytes  # in the configuration's format
    layout: Layout
    source: SourcePicture | None = None  # if the source gives boxes


def make_records(
    pictures: Sequence[LaidOutPicture], *, config: RecordsConfig, anchors: Anchors
) -> list[tuple[Record, tuple[Matches, ...]]]:
    """The record of each picture, and how each of its views was matched.

    The views of all pictures are matched in one call, which takes far less time than one call for each. No record
    depends on the others.

    Args:
        pictures: with one or more views each.
        config: canvas, thresholds and format.
        anchors: of the record set.
    """
    size, layouts = config.canvas_size, [picture.layout for picture in pictures]
    truths = truths_of(layouts, size=size)
    encoded = iter(
        encode_views(
            [boxes for of_picture in truths for boxes, _ in of_picture],
            [labels for of_picture in truths for _, labels in of_picture],
            anchors=anchors,
            matching=config.matching,
            regions=[regions for layout in layouts for regions in layout.regions(size=size)],
        )
    )
    made = []
    for picture, of_picture in zip(pictures, truths, strict=True):
        targets, matches = zip(*islice(encoded, len(of_picture)), strict=True)
        views = zip(picture.layout.views, of_picture, targets, strict=True)
        source = picture.source
        record = Record(
            key=picture.key,
            source_id=picture.source_id,
            height=picture.shape[0],
            width=picture.shape[1],
            encoded=picture.encoded,
            format=config.picture_format,
            views=tuple(RecordView(view, *truth, of_view) for view, truth, of_view in views),
            source_size=source.size if source else None,
            truth=source.truth if source else None,
            image_id=source.image_id if source else None,
        )
        made.append((record, matches))
    return made
