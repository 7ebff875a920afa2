"""A record: one picture with its ground truth and its anchor targets, stored as a `tf.train.Example`.

Feature names follow the TF Object Detection API where it has one. Unlike there, labels are 0-based, and the picture is
only the window of the canvas that is not black.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import MAX_CANVAS
from pipeline.geometry.targets import Targets
from pipeline.records.picture_codec import decode_picture
from pipeline.records.tf_example import Value, decode_example, encode_example
from pipeline.views.collage import Picture, paint
from pipeline.views.letterbox import Transform
from pipeline.views.placement import Rectangle, Shape

KEY = "image/key"
HEIGHT = "image/height"
WIDTH = "image/width"
SOURCE_ID = "image/source_id"
SOURCE_SIZE = "image/source_size"
TRANSFORM = "image/transform"
ENCODED = "image/encoded"
FORMAT = "image/format"
WINDOW = "image/window"
BOX_SIDES = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
LABEL = "image/object/class/label"
TARGET_ANCHOR = "target/anchor"
TARGET_CLASS = "target/class"
TARGET_OFFSETS = "target/offsets"
TARGET_IGNORED = "target/ignored"


@dataclass(frozen=True)
class Record:
    """What a record holds."""

    key: str
    source_id: str
    height: int  # of the canvas, pixels
    width: int
    encoded: bytes
    format: str
    window: Rectangle
    boxes: NDArray[np.float32]  # [G, 4] corners in [0, 1]
    labels: NDArray[np.int64]  # [G]
    targets: Targets
    source_size: Shape | None = None  # height and width of the source's picture, if the source gives boxes
    transform: Transform | None = None  # from the source's picture to the canvas

    def picture(self) -> Picture:
        """The whole canvas, [height, width, 3] uint8 RGB. Raises `ValueError` if the window does not fit or decode."""
        w = self.window
        least = min(w.ymin, w.xmin, w.height, w.width)
        if least < 0 or w.ymin + w.height > self.height or w.xmin + w.width > self.width:
            raise ValueError(f"{WINDOW} must lie inside {self.height} x {self.width} pixels, got {w}")
        return paint(self.height, self.width, w, decode_picture(self.encoded, self.format, w.height, w.width))


def encode_record(record: Record) -> bytes:
    """Serializes a record. Equal records give equal bytes."""
    w, targets = record.window, record.targets
    features: dict[str, Value] = {
        KEY: [record.key.encode()],
        SOURCE_ID: [record.source_id.encode()],
        HEIGHT: np.array([record.height], np.int64),
        WIDTH: np.array([record.width], np.int64),
        ENCODED: [record.encoded],
        FORMAT: [record.format.encode()],
        WINDOW: np.array([w.ymin, w.xmin, w.height, w.width], np.int64),
        LABEL: record.labels,
        TARGET_ANCHOR: targets.anchors,
        TARGET_CLASS: targets.classes,
        TARGET_OFFSETS: targets.offsets,
        TARGET_IGNORED: targets.ignored,
    }
    features.update(zip(BOX_SIDES, record.boxes.T, strict=True))
    if record.source_size is not None:
        features[SOURCE_SIZE] = np.array(record.source_size, np.int64)
    if record.transform is not None:
        features[TRANSFORM] = np.array(dataclasses.astuple(record.transform), np.float32)
    return encode_example(features)


def decode_record(serialized: bytes) -> Record:
    """Parses a record. Raises `ValueError` naming the feature that is missing, or of a wrong kind, length or size."""
    features = decode_example(serialized)

    def ints(name: str, count: int | None = None) -> NDArray[np.int64]:
        return _array(features, name, np.int64, count)

    def encoded(name: str) -> bytes:
        value = features.get(name)
        if not isinstance(value, list) or len(value) != 1:
            raise ValueError(f"{name} must be one byte string, got {'nothing' if value is None else 'another kind'}")
        return value[0]

    def text(name: str) -> str:
        try:
            return encoded(name).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} must be UTF-8, got {error.reason} at byte {error.start}") from None

    def pixels(name: str) -> int:
        size = int(ints(name, 1)[0])
        if not 1 <= size <= MAX_CANVAS:
            raise ValueError(f"{name} must be from 1 to {MAX_CANVAS}, got {size}")
        return size

    labels, anchors = ints(LABEL), ints(TARGET_ANCHOR)
    sides = [_array(features, side, np.float32, len(labels)) for side in BOX_SIDES]
    offsets = _array(features, TARGET_OFFSETS, np.float32, 4 * len(anchors))
    source_size = tuple(ints(SOURCE_SIZE, 2).tolist()) if SOURCE_SIZE in features else None
    transform = Transform(*_array(features, TRANSFORM, np.float32, 4).tolist()) if TRANSFORM in features else None
    return Record(
        key=text(KEY),
        source_id=text(SOURCE_ID),
        height=pixels(HEIGHT),
        width=pixels(WIDTH),
        encoded=encoded(ENCODED),
        format=text(FORMAT),
        window=Rectangle(*ints(WINDOW, 4).tolist()),
        boxes=np.stack(sides, axis=-1).reshape(-1, 4),
        labels=labels,
        targets=Targets(anchors, ints(TARGET_CLASS, len(anchors)), offsets.reshape(-1, 4), ints(TARGET_IGNORED)),
        source_size=source_size,
        transform=transform,
    )


def _array(features: dict[str, Value], name: str, dtype: type, count: int | None) -> NDArray[Any]:
    if name not in features:
        raise ValueError(f"{name} must be there, got nothing")
    value = features[name]
    if isinstance(value, list):
        if value:
            raise ValueError(f"{name} must hold numbers, got bytes")
        value = np.zeros(0, dtype)
    if value.dtype != dtype and value.size:
        raise ValueError(f"{name} must hold {np.dtype(dtype).name}, got {value.dtype}")
    if count is not None and value.size != count:
        raise ValueError(f"{name} must hold {count} numbers, got {value.size}")
    return value.astype(dtype)
