"""A record: one image and its views, each with its ground truth and its anchor targets, as a `tf.train.Example`.

Feature names follow the TF Object Detection API where it has one. A view is one string of words, see `packed_view.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.compositions.composition import MAX_IMAGE, GroundTruth, SourceImage
from pipeline.compositions.resize import RgbImage
from pipeline.config.records_config import MAX_VIEWS
from pipeline.records.image_codec import decode_image
from pipeline.records.packed_view import RecordView, pack_view, unpack_view
from pipeline.records.tf_example import Value, decode_example, encode_example

KEY = "image/key"
SOURCE_ID = "image/source_id"
SOURCE_SIZE = "image/source_size"  # of an image with boxes of its own
DRAWN = "image/drawn"  # height, width and label of each image that is itself an object
HEIGHT = "image/height"
WIDTH = "image/width"
ENCODED = "image/encoded"
FORMAT = "image/format"
VIEWS = "image/views"
IMAGE_ID = "image/source_image_id"
TRUTH = "image/ground_truth"

# Ground truth is one string of little-endian float64, for each object: ymin, xmin, ymax, xmax in pixels of the
# source's image, label, crowd, difficult, ignored, area in square pixels.
TRUTH_ROW = 9


class BrokenGroundTruth(ValueError):
    """A byte string that is not valid ground truth."""


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
    # The source images that its composition asked for, in order; the first is its own. With `truth`, the first has
    # boxes; otherwise each has a label.
    drawn: tuple[SourceImage, ...]

    @property
    def truth(self) -> GroundTruth | None:
        """All objects of an image with boxes of its own, in pixels of the source's image."""
        return self.drawn[0].truth

    def image(self) -> RgbImage:
        """The stored image, [height, width, 3] uint8 RGB. Raises `ValueError` if it cannot be decoded."""
        return decode_image(self.encoded, self.format, self.height, self.width)


def encode_record(record: Record) -> bytes:
    """Serializes a record. Equal records give equal bytes."""
    own = record.drawn[0]
    features: dict[str, Value] = {
        KEY: [record.key.encode()],
        SOURCE_ID: [record.source_id.encode()],
        HEIGHT: np.array([record.height], np.int64),
        WIDTH: np.array([record.width], np.int64),
        ENCODED: [record.encoded],
        FORMAT: [record.format.encode()],
        VIEWS: [pack_view(view) for view in record.views],
    }
    if own.truth is None:
        features[DRAWN] = np.array([(*image.size, image.label) for image in record.drawn], np.int64)
    else:
        features[SOURCE_SIZE] = np.array(own.size, np.int64)
        features[TRUTH] = [pack_ground_truth(own.truth)]
    if own.image_id is not None:
        features[IMAGE_ID] = [own.image_id.encode()]
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

    def integers(name: str, least: int, most: int, *, count: int | None = None) -> list[int]:
        value: Any = features.get(name)
        if (
            isinstance(value, list)
            or value is None
            or value.dtype != np.int64
            or value.size != (count or max(value.size, 1))
        ):
            raise ValueError(f"{name} must hold {count or 'some'} integers, got {_kind(value)}")
        if value.min() < least or value.max() > most:
            raise ValueError(f"{name} must be from {least} to {most}, got {value.tolist()[:10]}")
        return list(value.tolist())

    def drawn() -> tuple[SourceImage, ...]:
        own = text(IMAGE_ID) if IMAGE_ID in features else None
        if TRUTH in features:
            height, width = integers(SOURCE_SIZE, 1, MAX_IMAGE, count=2)
            return (SourceImage((height, width), truth=unpack_ground_truth(string(TRUTH)), image_id=own),)
        numbers = integers(DRAWN, 0, 2**31 - 1)
        images = [SourceImage((h, w), label=label) for h, w, label in zip(*(iter(numbers),) * 3, strict=False)]
        if 3 * len(images) != len(numbers) or not all(1 <= side <= MAX_IMAGE for i in images for side in i.size):
            raise ValueError(f"{DRAWN} must hold height, width and label of each image, got {numbers[:10]}")
        return (replace(images[0], image_id=own), *images[1:])

    packed = strings(VIEWS)
    if len(packed) > MAX_VIEWS:
        raise ValueError(f"{VIEWS} must hold at most {MAX_VIEWS} views, got {len(packed)}")
    return Record(
        key=text(KEY),
        source_id=text(SOURCE_ID),
        height=integers(HEIGHT, 1, MAX_IMAGE, count=1)[0],
        width=integers(WIDTH, 1, MAX_IMAGE, count=1)[0],
        encoded=string(ENCODED),
        format=text(FORMAT),
        views=tuple(_view(number, view) for number, view in enumerate(packed)),
        drawn=drawn(),
    )


def pack_ground_truth(truth: GroundTruth) -> bytes:
    """Packs ground truth into the byte string that a record stores."""
    columns = (truth.labels, truth.crowd, truth.difficult, truth.ignored, truth.area)
    rows = [truth.corners, *(np.reshape(column, (-1, 1)) for column in columns)]
    return np.concatenate(rows, axis=1).astype("<f8").tobytes()


def unpack_ground_truth(packed: bytes) -> GroundTruth:
    """The inverse of `pack_ground_truth`. Raises `BrokenGroundTruth` if it is cut off, or a value is impossible."""
    if len(packed) % (8 * TRUTH_ROW):
        raise BrokenGroundTruth(f"{TRUTH} must have a multiple of {8 * TRUTH_ROW} bytes, got {len(packed)}")
    rows = np.frombuffer(packed, "<f8").astype(np.float64).reshape(-1, TRUTH_ROW)
    labels, flags, area = rows[:, 4], rows[:, 5:8], rows[:, 8]
    if not np.isfinite(rows).all() or (rows[:, :2] >= rows[:, 2:4]).any() or (area < 0).any():
        raise BrokenGroundTruth(f"{TRUTH} has boxes that are not finite, or areas below 0")
    whole = (labels >= 0) & (labels < 2**31) & (labels % 1 == 0)
    if not whole.all() or not np.isin(flags, (0, 1)).all():
        raise BrokenGroundTruth(
            f"{TRUTH} has labels other than whole numbers of at least 0, or flags other than 0 and 1"
        )
    crowd, difficult, ignored = (flags == 1).T
    return GroundTruth(rows[:, :4], labels.astype(np.int64), crowd, difficult, ignored, area)


def name_view(number: int) -> str:
    """What messages call a view."""
    return f"{VIEWS}[{number}]"


def _view(number: int, packed: bytes) -> RecordView:
    try:
        return unpack_view(packed)
    except ValueError as error:
        raise ValueError(f"{name_view(number)}: {error}") from None


def _kind(value: Value | None) -> str:
    """What a feature holds, for messages."""
    if value is None or not len(value):
        return "nothing"
    return f"{len(value)} byte strings" if isinstance(value, list) else f"{value.size} of {value.dtype}"
