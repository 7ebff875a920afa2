"""A record of a single image, for tests."""

from __future__ import annotations

from pipeline.compositions.composition import Layout
from pipeline.compositions.resize import RgbImage
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches
from pipeline.records.build_records import EncodedImage, build_records
from pipeline.records.image_codec import encode_image
from pipeline.records.record import Record


def make_record(
    pixels: RgbImage, layout: Layout, *, key: str, config: RecordsConfig, anchors: Anchors
) -> tuple[Record, tuple[Matches, ...]]:
    """`build_records` for one stored image, [*layout.shape, 3] uint8 RGB."""
    encoded = encode_image(pixels, config.image_format, jpeg_quality=config.jpeg_quality)
    return build_records([EncodedImage(key, encoded, layout)], config=config, anchors=anchors)[0]
