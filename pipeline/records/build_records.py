"""Makes records of images that are laid out: the ground truth and the targets of every view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.compositions.composition import Layout, place_truths
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import encode_views
from pipeline.records.keys import parse_source_id
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record


@dataclass(frozen=True)
class EncodedImage:
    """An image as its record stores it, and how it lies on the canvas. Only the targets are missing."""

    key: str  # of the record
    encoded: bytes  # in the configuration's format
    layout: Layout


def build_records(
    images: Sequence[EncodedImage], *, config: RecordsConfig, anchors: Anchors
) -> list[tuple[Record, tuple[Matches, ...]]]:
    """The record of each image, and how each of its views was matched.

    The views of all images are matched in one call, which takes far less time than one call for each. No record
    depends on the others.

    Args:
        images: with one or more views each.
        config: canvas, thresholds and format.
        anchors: of the record set.
    """
    layouts = [image.layout for image in images]
    truths = place_truths(layouts)
    encoded = iter(
        encode_views(
            [boxes for of_image in truths for boxes, _ in of_image],
            [labels for of_image in truths for _, labels in of_image],
            anchors=anchors,
            matching=config.matching,
            regions=[regions for layout in layouts for regions in layout.regions()],
        )
    )
    made = []
    for image, of_image in zip(images, truths, strict=True):
        layout = image.layout
        targets, matches = zip(*islice(encoded, len(of_image)), strict=True)
        views = zip(layout.views, of_image, targets, strict=True)
        record = Record(
            key=image.key,
            source_id=parse_source_id(image.key),
            height=layout.shape[0],
            width=layout.shape[1],
            encoded=image.encoded,
            format=config.image_format,
            views=tuple(RecordView(view, *truth, of_view) for view, truth, of_view in views),
            drawn=layout.drawn,
        )
        made.append((record, matches))
    return made
