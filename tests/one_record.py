"""A record of a single image, for tests."""

from __future__ import annotations

from pipeline.compositions.composition import Layout, SourceImage
from pipeline.compositions.resize import RgbImage
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.records.image_codec import encode_image
from pipeline.records.make_record import LaidOutImage, make_records
from pipeline.records.record import Record


def make_record(
    pixels: RgbImage,
    layout: Layout,
    *,
    key: str,
    source_id: str,
    config: RecordsConfig,
    anchors: Anchors,
    source: SourceImage | None = None,
) -> tuple[Record, tuple[Matches, ...]]:
    """`make_records` for one image, [h, w, 3] uint8 RGB."""
    shape, encoded = (pixels.shape[0], pixels.shape[1]), encode_image(pixels, config.image_format)
    image = LaidOutImage(key, source_id, shape, encoded, layout, source)
    return make_records([image], config=config, anchors=anchors)[0]
