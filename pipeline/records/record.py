"""A record: one image and its views, each with its ground truth and its anchor targets, as a `tf.train.Example`.

Feature names follow the TF Object Detection API where it has one. A view is one string of words, see `packed_view.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import MAX_IMAGE, MAX_VIEWS
from pipeline.records.ground_truth import GroundTruth, pack_ground_truth, unpack_ground_truth
from pipeline.records.image_codec import decode_image
from pipeline.records.packed_view import RecordView, pack_view, unpack_view
from pipeline.records.tf_example import Value, decode_example, encode_example
from pipeline.views.collage import RgbImage
from pipeline.views.placement import Shape

KEY = "image/key"
SOURCE_ID = "image/source_id"
SOURCE_SIZE = "image/source_size"
HEIGHT = "image/height"
WIDTH = "image/width"
ENCODED = "image/encoded"
FORMAT = "image/format"
VIEWS = "image/views"
IMAGE_ID = "image/source_image_id"
TRUTH = "image/ground_truth"


@dataclass(frozen=True)
class Record:
    """What a record holds."""

    key: str
    source_id: str
    height: int  # of the stored image, pixels
    width: int
    encoded: bytes
    format: str
    views: tuple[RecordView, ...]
    # What only an image with boxes of its own has:
    source_size: Shape | None = None  # height and width of the source's image, pixels
    truth: GroundTruth | None = None  # all objects, in pixels of the source's image
    image_id: str | None = None  # the source's number of the image, if it has one

    def image(self) -> RgbImage:
        """The stored image, [height, width, 3] uint8 RGB. Raises `ValueError` if it cannot be decoded."""
        return decode_image(self.encoded, self.format, self.height, self.width)


def encode_record(record: Record) -> bytes:
    """Serializes a record. Equal records give equal bytes."""
    features: dict[str, Value] = {
        KEY: [record.key.encode()],
        SOURCE_ID: [record.source_id.encode()],
        HEIGHT: np.array([record.height], np.int64),
        WIDTH: np.array([record.width], np.int64),
        ENCODED: [record.encoded],
        FORMAT: [record.format.encode()],
        VIEWS: [pack_view(view) for view in record.views],
    }
    if record.source_size is not None:
        features[SOURCE_SIZE] = np.array(record.source_size, np.int64)
    if record.truth is not None:
        features[TRUTH] = [pack_ground_truth(record.truth)]
    if record.image_id is not None:
        features[IMAGE_ID] = [record.image_id.encode()]
    return encode_example(features)


def decode_record(serialized: bytes) -> Record:
    """Parses a record. Raises `ValueError` naming the feature that is missing, or of a wrong kind, length or size."""
    features = decode_example(serialized)

    def strings(name: str) -> list[bytes]:
        value = features.get(name)
        if not isinstance(value, list) or not value:
            raise ValueError(f"{name} must hold bytes, got {_kind(value)}")
        return value

    def string(name: str) -> bytes:
        values = strings(name)
        if len(values) != 1:
            raise ValueError(f"{name} must be one byte string, got {len(values)}")
        return values[0]

    def text(name: str) -> str:
        try:
            return string(name).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} must be UTF-8, got {error.reason} at byte {error.start}") from None

    def pixels(name: str, count: int = 1) -> list[int]:
        sizes: list[int] = _integers(features, name, count).tolist()
        if not all(1 <= size <= MAX_IMAGE for size in sizes):
            raise ValueError(f"{name} must be from 1 to {MAX_IMAGE}, got {sizes}")
        return sizes

    packed = strings(VIEWS)
    if len(packed) > MAX_VIEWS:
        raise ValueError(f"{VIEWS} must hold at most {MAX_VIEWS} views, got {len(packed)}")
    source_height, source_width = pixels(SOURCE_SIZE, 2) if SOURCE_SIZE in features else (0, 0)
    return Record(
        key=text(KEY),
        source_id=text(SOURCE_ID),
        height=pixels(HEIGHT)[0],
        width=pixels(WIDTH)[0],
        encoded=string(ENCODED),
        format=text(FORMAT),
        views=tuple(_view(number, view) for number, view in enumerate(packed)),
        source_size=(source_height, source_width) if SOURCE_SIZE in features else None,
        truth=_truth(string(TRUTH)) if TRUTH in features else None,
        image_id=text(IMAGE_ID) if IMAGE_ID in features else None,
    )


def view_name(number: int) -> str:
    """What messages call a view."""
    return f"{VIEWS}[{number}]"


def _view(number: int, packed: bytes) -> RecordView:
    try:
        return unpack_view(packed)
    except ValueError as error:
        raise ValueError(f"{view_name(number)}: {error}") from None


def _truth(packed: bytes) -> GroundTruth:
    try:
        return unpack_ground_truth(packed)
    except ValueError as error:
        raise ValueError(f"{TRUTH}: {error}") from None


def _integers(features: dict[str, Value], name: str, count: int) -> NDArray[np.int64]:
    value: Any = features.get(name)
    if isinstance(value, list) or value is None or value.dtype != np.int64 or value.size != count:
        raise ValueError(f"{name} must hold {count} integers, got {_kind(value)}")
    return value


def _kind(value: Value | None) -> str:
    """What a feature holds, for messages."""
    if value is None or not len(value):
        return "nothing"
    return f"{len(value)} byte strings" if isinstance(value, list) else f"{value.size} of {value.dtype}"
