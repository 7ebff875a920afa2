"""The check of one record against the manifest of its set."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from pipeline.errors import printable
from pipeline.records import record as features
from pipeline.records.keys import record_key
from pipeline.records.manifest import Manifest
from pipeline.records.picture_codec import decode_picture
from pipeline.records.record import Record, decode_record
from pipeline.views.letterbox import fit_boxes

MAX_SOURCE = 1_000_000  # pixels of a side
_SHOWN = 200  # characters of a name or a list of numbers


def parse_record(serialized: bytes, manifest: Manifest, split: str) -> Record:
    """Parses a record of a split and checks it. Raises `ValueError` naming the first feature that is wrong."""
    record = decode_record(serialized)
    for fault in record_faults(record, manifest, split):
        raise ValueError(fault)
    return record


def record_faults(record: Record, manifest: Manifest, split: str) -> Iterator[str]:
    """What contradicts the manifest in a record, one sentence for each fault; each begins with the feature's name."""
    size, picture_format = manifest.canvas_size, manifest.config.picture_format
    copies = manifest.config.copies if split == "train" else 1
    if not _is_key(record, split, copies):
        wanted = f"{split}/{_name(record.source_id)}/<copy below {copies}>"
        yield f"{features.KEY} must be {wanted}, got {_name(record.key)}"
    for name, pixels in ((features.HEIGHT, record.height), (features.WIDTH, record.width)):
        if pixels != size:
            yield f"{name} must be {size}, got {pixels}"
    if record.format != picture_format:
        yield f"{features.FORMAT} must be {picture_format}, got {_name(record.format)}"
    yield from _picture_faults(record, size, picture_format)
    yield from _letterbox_faults(record, size)
    yield from box_faults(record, manifest.background)
    yield from _target_faults(record, len(manifest.anchors))


def _is_key(record: Record, split: str, copies: int) -> bool:
    copy = record.key.removeprefix(f"{split}/{record.source_id}/")
    digits = copy.isascii() and copy.isdigit() and len(copy) < 10
    return digits and int(copy) < copies and record.key == record_key(split, record.source_id, int(copy))


def _picture_faults(record: Record, size: int, picture_format: str) -> Iterator[str]:
    w = record.window
    inside = min(w.ymin, w.xmin) >= 0 and min(w.height, w.width) > 0
    if not (inside and w.ymin + w.height <= size and w.xmin + w.width <= size):
        window = [w.ymin, w.xmin, w.height, w.width]
        yield f"{features.WINDOW} must lie inside {size} x {size} pixels, got {window}"
        return
    try:
        decode_picture(record.encoded, picture_format, w.height, w.width)
    except ValueError as error:
        yield f"{features.ENCODED}: {error}"


def _letterbox_faults(record: Record, size: int) -> Iterator[str]:
    """Whether source size, transform and window are those of a picture that was fitted to the canvas."""
    source, transform = record.source_size, record.transform
    if source is None or transform is None:
        if source is not transform:
            yield f"{features.TRANSFORM} must be there if {features.SOURCE_SIZE} is, got one without the other"
        return
    if not all(0 < side <= MAX_SOURCE for side in source):
        yield f"{features.SOURCE_SIZE} must be from 1 to {MAX_SOURCE}, got {list(source)}"
        return
    got = np.array(dataclasses.astuple(transform), np.float32)
    _, window, fitted = fit_boxes(np.zeros((0, 4)), source, size=size, flipped=bool(got[1] < 0))
    wanted = np.array(dataclasses.astuple(fitted), np.float32)
    if not np.array_equal(got, wanted):
        yield f"{features.TRANSFORM} must be {_short(wanted)} for a picture of {source}, got {_short(got)}"
    if record.window != window:
        yield f"{features.WINDOW} must be {window} for a picture of {source}, got {record.window}"


def box_faults(record: Record, classes: int) -> Iterator[str]:
    """What is wrong with a record's boxes and labels; of one without such faults, the boxes can be matched."""
    boxes, labels = record.boxes, record.labels
    name = features.BOX_SIDES[0].rpartition("/")[0]
    if not (np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= 1).all()):
        yield f"{name} must lie in [0, 1], got {_short(boxes)}"
    elif not (boxes[:, :2] < boxes[:, 2:]).all():
        yield f"{name} must have an area, got {_short(boxes)}"
    if not ((labels >= 0) & (labels < classes)).all():
        yield f"{features.LABEL} must be in [0, {classes}), got {_short(labels)}"


def _target_faults(record: Record, anchor_count: int) -> Iterator[str]:
    targets = record.targets
    for name, anchors in ((features.TARGET_ANCHOR, targets.anchors), (features.TARGET_IGNORED, targets.ignored)):
        if not ((anchors >= 0) & (anchors < anchor_count)).all():
            yield f"{name} must be in [0, {anchor_count}), got {_short(anchors)}"
        elif not (np.diff(anchors) > 0).all():
            yield f"{name} must ascend, got {_short(anchors)}"
    if len(both := np.intersect1d(targets.anchors, targets.ignored)):
        yield f"{features.TARGET_IGNORED} must not name matched anchors, got {_short(both)}"
    if not np.isin(targets.classes, record.labels).all():
        yield f"{features.TARGET_CLASS} must be among the labels {_short(record.labels)}, got {_short(targets.classes)}"
    if not np.isfinite(targets.offsets).all():
        yield f"{features.TARGET_OFFSETS} must be finite, got {_short(targets.offsets)}"


def _name(text: str) -> str:
    return printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _short(values: np.ndarray) -> str:
    text = str(values.reshape(-1)[:_SHOWN].tolist())
    return text if values.size <= _SHOWN and len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
