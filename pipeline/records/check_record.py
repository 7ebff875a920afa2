"""The check of one record against the manifest of its set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.config.records_config import RecordsConfig
from pipeline.errors import printable
from pipeline.records import record as features
from pipeline.records.image_codec import MAX_PIXELS, decode_image
from pipeline.records.image_id import BrokenImageId, image_id_of
from pipeline.records.keys import record_key
from pipeline.records.manifest import Manifest
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record, decode_record
from pipeline.views.letterbox import stored_shape
from pipeline.views.placement import Rectangle
from pipeline.views.view import View, view_of_window

_SHOWN = 200  # characters of a name or a list of numbers


def parse_record(serialized: bytes, manifest: Manifest, split: str) -> Record:
    """Parses a record of a split and checks it. Raises `ValueError` naming the first feature that is wrong."""
    record = decode_record(serialized)
    for fault in record_faults(record, manifest, split):
        raise ValueError(fault)
    return record


def record_faults(record: Record, manifest: Manifest, split: str) -> Iterator[str]:
    """What contradicts the manifest in a record, one sentence for each fault; each begins with the feature's name."""
    config = manifest.config
    copies = config.copies_of(split)
    if not _is_key(record, split, copies):
        wanted = f"{split}/{_name(record.source_id)}/<copy below {copies}>"
        yield f"{features.KEY} must be {wanted}, got {_name(record.key)}"
    if record.format != config.image_format:
        yield f"{features.FORMAT} must be {config.image_format}, got {_name(record.format)}"
    yield from _size_faults(record, manifest, split)
    yield from _source_faults(record, manifest)
    yield from _image_faults(record, config)
    count = config.views_of(split)
    if len(record.views) != count:
        yield f"{features.VIEWS} must hold {count} views, got {len(record.views)}"
        return
    for number, view in enumerate(record.views):
        faults = (
            *_layout_faults(record, view.view, config, first=number == 0),
            *_count_faults(view, manifest.statistics[split]),
            *box_faults(view, manifest.background),
            *_target_faults(view, len(manifest.anchors)),
        )
        for fault in faults:
            yield f"{features.view_name(number)}: {fault}"


def _is_key(record: Record, split: str, copies: int) -> bool:
    copy = record.key.removeprefix(f"{split}/{record.source_id}/")
    digits = copy.isascii() and copy.isdigit() and len(copy) < 10
    return digits and int(copy) < copies and record.key == record_key(split, record.source_id, int(copy))


def _size_faults(record: Record, manifest: Manifest, split: str) -> Iterator[str]:
    """Whether the stored image's size is within the manifest's statistics, and fits the size of the source's."""
    statistics, letterbox = manifest.statistics[split], manifest.config.letterbox
    for name, side, got in ((features.HEIGHT, "height", record.height), (features.WIDTH, "width", record.width)):
        least, most = statistics[f"least_{side}"], statistics[f"most_{side}"]
        if not least <= got <= most:
            yield f"{name} must be from {least} to {most}, as in the manifest, got {got}"
    source = record.source_size
    if letterbox is None:
        if source is not None:
            yield f"{features.SOURCE_SIZE} must not be there in a collage, got {list(source)}"
        return
    stored = (record.height, record.width)
    if source is None:
        yield f"{features.SOURCE_SIZE} must be the size of the source's image, got none"
    elif (expected := stored_shape(letterbox, source)) != stored:
        yield f"{features.SOURCE_SIZE} must be of an image that is stored as {stored}, got {source}, as {expected}"


def _source_faults(record: Record, manifest: Manifest) -> Iterator[str]:
    """Whether a record says about the source's image what its composition requires."""
    truth, classes = record.truth, manifest.background
    if manifest.config.letterbox is None:
        for name, value in ((features.TRUTH, truth), (features.IMAGE_ID, record.image_id)):
            if value is not None:
                yield f"{name} must not be there in a collage, got one"
        return
    if record.image_id is not None:
        try:
            image_id_of(record.image_id)
        except BrokenImageId as error:
            yield f"{features.IMAGE_ID} {error}"
    if truth is None:
        yield f"{features.TRUTH} must be there in a letterbox, got none"
    elif (truth.labels >= classes).any():
        yield f"{features.TRUTH}: labels must be in [0, {classes}), got {shown_array(truth.labels)}"


def _image_faults(record: Record, config: RecordsConfig) -> Iterator[str]:
    if record.height * record.width > MAX_PIXELS:
        yield f"{features.ENCODED} must have at most {MAX_PIXELS} pixels, got {record.height * record.width}"
        return
    try:
        decode_image(record.encoded, config.image_format, record.height, record.width)
    except ValueError as error:
        yield f"{features.ENCODED}: {error}"


def _layout_faults(record: Record, view: View, config: RecordsConfig, *, first: bool) -> Iterator[str]:
    """Whether a view shows a part of the image inside the canvas, as its composition does."""
    size, whole = config.canvas_size, Rectangle(0, 0, record.height, record.width)
    if not _inside(view.shown, record.height, record.width):
        yield f"shown must lie inside {record.height} x {record.width} pixels, got {view.shown}"
        return
    if not _inside(view.place, size, size):
        yield f"place must lie inside {size} x {size} pixels, got {view.place}"
        return
    if view.mirrored and first:
        yield "mirrored must be 0 in the first view, got 1"
    elif view.mirrored and not config.composition.flip:
        yield "mirrored must be 0 without flip, got 1"
    if config.collage is not None:
        if view.shown != whole:
            yield f"shown must be the whole image in a collage, {whole}, got {view.shown}"
        elif (view.place.height, view.place.width) != (record.height, record.width):
            yield f"place must have the image's size in a collage, got {view.place}"
    elif first and view != view_of_window(whole, (record.height, record.width), size=size, mirrored=False):
        yield f"shown and place must be those of the whole image in the first view, got {view}"


def _inside(rectangle: Rectangle, height: int, width: int) -> bool:
    r = rectangle
    least = min(r.ymin, r.xmin) >= 0 and min(r.height, r.width) > 0
    return least and r.ymin + r.height <= height and r.xmin + r.width <= width


def _count_faults(view: RecordView, statistics: dict[str, Any]) -> Iterator[str]:
    """Whether a view holds no more than the manifest's statistics allow, because readers make room for that many."""
    for name, values, most in (
        ("anchors", view.targets.anchors, statistics["most_positives"]),
        ("ignored", view.targets.ignored, statistics["most_ignored"]),
        ("boxes", view.boxes, statistics["most_boxes"]),
    ):
        if len(values) > most:
            yield f"{name} must number at most {most}, as in the manifest, got {len(values)}"


def box_faults(view: RecordView, classes: int) -> Iterator[str]:
    """What is wrong with a view's boxes and labels. If nothing is, the boxes can be matched."""
    boxes, labels = view.boxes, view.labels
    if not (np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= 1).all()):
        yield f"boxes must lie in [0, 1], got {shown_array(boxes)}"
    elif not (boxes[:, :2] < boxes[:, 2:]).all():
        yield f"boxes must have an area, got {shown_array(boxes)}"
    if not ((labels >= 0) & (labels < classes)).all():
        yield f"labels must be in [0, {classes}), got {shown_array(labels)}"


def _target_faults(view: RecordView, anchor_count: int) -> Iterator[str]:
    targets = view.targets
    for name, anchors in (("anchors", targets.anchors), ("ignored", targets.ignored)):
        if not ((anchors >= 0) & (anchors < anchor_count)).all():
            yield f"{name} must be in [0, {anchor_count}), got {shown_array(anchors)}"
        elif not (np.diff(anchors) > 0).all():
            yield f"{name} must ascend, got {shown_array(anchors)}"
    if len(both := np.intersect1d(targets.anchors, targets.ignored)):
        yield f"ignored must not name matched anchors, got {shown_array(both)}"
    if not np.isin(targets.classes, view.labels).all():
        yield f"classes must be among the labels {shown_array(view.labels)}, got {shown_array(targets.classes)}"
    if not np.isfinite(targets.offsets).all():
        yield f"offsets must be finite, got {shown_array(targets.offsets)}"


def _name(text: str) -> str:
    return printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def shown_array(values: np.ndarray) -> str:
    """The values of an array as messages show them, with the end of a long list cut off."""
    text = str(values.reshape(-1)[:_SHOWN].tolist())
    return text if values.size <= _SHOWN and len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
