"""Makes records of images that are laid on the canvas: the ground truth and the targets of every view."""

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
class SourceImage:
    """An image with boxes of its own, as its source has it."""

    size: Shape  # height and width, pixels
    truth: GroundTruth
    image_id: str | None = None


@dataclass(frozen=True)
class LaidOutImage:
    """An image as its record stores it, and how it lies on the canvas. Only the targets are missing."""

    key: str  # of the record
    source_id: str
    shape: Shape  # height and width of the stored image, pixels
    encoded: bytes  # in the configuration's format
    layout: Layout
    source: SourceImage | None = None  # if the source gives boxes


def make_records(
    images: Sequence[LaidOutImage], *, config: RecordsConfig, anchors: Anchors
) -> list[tuple[Record, tuple[Matches, ...]]]:
    """The record of each image, and how each of its views was matched.

    The views of all images are matched in one call, which takes far less time than one call for each. No record
    depends on the others.

    Args:
        images: with one or more views each.
        config: canvas, thresholds and format.
        anchors: of the record set.
    """
    size, layouts = config.canvas_size, [image.layout for image in images]
    truths = truths_of(layouts, size=size)
    encoded = iter(
        encode_views(
            [boxes for of_image in truths for boxes, _ in of_image],
            [labels for of_image in truths for _, labels in of_image],
            anchors=anchors,
            matching=config.matching,
            regions=[regions for layout in layouts for regions in layout.regions(size=size)],
        )
    )
    made = []
    for image, of_image in zip(images, truths, strict=True):
        targets, matches = zip(*islice(encoded, len(of_image)), strict=True)
        views = zip(image.layout.views, of_image, targets, strict=True)
        source = image.source
        record = Record(
            key=image.key,
            source_id=image.source_id,
            height=image.shape[0],
            width=image.shape[1],
            encoded=image.encoded,
            format=config.image_format,
            views=tuple(RecordView(view, *truth, of_view) for view, truth, of_view in views),
            source_size=source.size if source else None,
            truth=source.truth if source else None,
            image_id=source.image_id if source else None,
        )
        made.append((record, matches))
    return made
