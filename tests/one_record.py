"""A record of a single picture, for tests."""

from __future__ import annotations

from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.records.layout import Layout
from pipeline.records.make_record import LaidOutPicture, SourcePicture, make_records
from pipeline.records.picture_codec import encode_picture
from pipeline.records.record import Record
from pipeline.views.collage import Picture


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
    """`make_records` for one picture, [h, w, 3] uint8 RGB."""
    shape, encoded = (pixels.shape[0], pixels.shape[1]), encode_picture(pixels, config.picture_format)
    picture = LaidOutPicture(key, source_id, shape, encoded, layout, source)
    return make_records([picture], config=config, anchors=anchors)[0]
