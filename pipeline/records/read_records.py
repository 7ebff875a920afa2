"""Reads records one after the other, without TensorFlow, and checks each against the manifest of its set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.compositions.view import Rectangle, View
from pipeline.errors import UserError, make_printable
from pipeline.files import open_regular
from pipeline.records import record as features
from pipeline.records.image_codec import MAX_PIXELS, decode_image
from pipeline.records.keys import BrokenImageId, make_record_key, parse_image_id
from pipeline.records.manifest import WAY_OUT, Manifest
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record, decode_record
from pipeline.records.statistics import Statistics
from pipeline.records.tfrecord import BrokenFrame, read_frames

_SHOWN = 200  # characters of a name or a list of numbers


def read_records(manifest: Manifest, split: str) -> Iterator[Record]:
    """The records of a split, in the order of its files.

    Raises `UserError` that names shard, record and feature at the first record that is wrong.
    """
    for shard in manifest.shards(split):
        path = Path(manifest.folder) / shard.name
        index = 0
        try:
            with open_regular(path) as file:
                for serialized in read_frames(file, shard.bytes):
                    yield parse_record(serialized, manifest, split)
                    index += 1
        except BrokenFrame as error:
            raise UserError(f"{path}: {error}; {WAY_OUT}") from None
        except ValueError as error:
            raise UserError(f"{path}: record {index}: {error}; {WAY_OUT}") from None
        if index != shard.examples:
            raise UserError(f"{path} must hold {shard.examples} records, got {index}; {WAY_OUT}")


def parse_record(serialized: bytes, manifest: Manifest, split: str) -> Record:
    """Parses a record of a split and checks it. Raises `ValueError` naming the first feature that is wrong."""
    record = decode_record(serialized)
    for fault in find_faults(record, manifest, split):
        raise ValueError(fault)
    return record


def find_faults(record: Record, manifest: Manifest, split: str) -> Iterator[str]:
    """What contradicts the manifest in a record, one sentence for each fault; each begins with the feature's name."""
    config = manifest.config
    copies = config.copies_of(split)
    if not _is_key(record, split, copies):
        wanted = f"{split}/{_name(record.source_id)}/<copy below {copies}>"
        yield f"{features.KEY} must be {wanted}, got {_name(record.key)}"
    if record.format != config.image_format:
        yield f"{features.FORMAT} must be {config.image_format}, got {_name(record.format)}"
    statistics = manifest.statistics[split]
    for name, got, least, most in (
        (features.HEIGHT, record.height, statistics.least_height, statistics.most_height),
        (features.WIDTH, record.width, statistics.least_width, statistics.most_width),
    ):
        if not least <= got <= most:
            yield f"{name} must be from {least} to {most}, as in the manifest, got {got}"
    yield from _find_source_faults(record, manifest)
    yield from _find_image_faults(record, config.image_format)
    count = config.views_of(split)
    if len(record.views) != count:
        yield f"{features.VIEWS} must hold {count} views, got {len(record.views)}"
        return
    for number, view in enumerate(record.views):
        faults = (
            *_find_place_faults(record, view.view, manifest),
            *_count_faults(view, statistics),
            *find_box_faults(view, manifest.background),
            *_find_target_faults(view, len(manifest.anchors)),
        )
        for fault in faults:
            yield f"{features.name_view(number)}: {fault}"


def _is_key(record: Record, split: str, copies: int) -> bool:
    copy = record.key.removeprefix(f"{split}/{record.source_id}/")
    digits = copy.isascii() and copy.isdigit() and len(copy) < 10
    return digits and int(copy) < copies and record.key == make_record_key(split, record.source_id, int(copy))


def _find_source_faults(record: Record, manifest: Manifest) -> Iterator[str]:
    """Whether a record says about the source's images what its composition takes."""
    own, classes = record.drawn[0], manifest.background
    if own.image_id is not None:
        try:
            parse_image_id(own.image_id)
        except BrokenImageId as error:
            yield f"{features.IMAGE_ID} {error}"
    boxes = manifest.config.composition.takes_boxes
    if boxes != (own.truth is not None):
        yield f"{features.TRUTH} {'is missing' if boxes else 'is there, but its images have no boxes'}"
        return
    labels = np.array([image.label for image in record.drawn]) if own.truth is None else own.truth.labels
    if (labels >= classes).any():
        name = features.TRUTH if boxes else features.DRAWN
        yield f"{name}: labels must be in [0, {classes}), got {show_array(labels)}"


def _find_image_faults(record: Record, image_format: str) -> Iterator[str]:
    if record.height * record.width > MAX_PIXELS:
        yield f"{features.ENCODED} must have at most {MAX_PIXELS} pixels, got {record.height * record.width}"
        return
    try:
        decode_image(record.encoded, image_format, record.height, record.width)
    except ValueError as error:
        yield f"{features.ENCODED}: {error}"


def _find_place_faults(record: Record, view: View, manifest: Manifest) -> Iterator[str]:
    """Whether a view shows a part of the image inside the canvas."""
    height, width = manifest.canvas
    if not _inside(view.shown, record.height, record.width):
        yield f"shown must lie inside {record.height} x {record.width} pixels, got {view.shown}"
    elif not _inside(view.place, height, width):
        yield f"place must lie inside {height} x {width} pixels, got {view.place}"
    elif not manifest.config.composition.scales and view.shown.shape != view.place.shape:
        yield f"place must have the size of the shown part, got {view.place}"


def _inside(rectangle: Rectangle, height: int, width: int) -> bool:
    r = rectangle
    least = min(r.ymin, r.xmin) >= 0 and min(r.height, r.width) > 0
    return least and r.ymin + r.height <= height and r.xmin + r.width <= width


def _count_faults(view: RecordView, statistics: Statistics) -> Iterator[str]:
    """Whether a view holds no more than the manifest's statistics allow, because readers make room for that many."""
    for name, values, most in (
        ("anchors", view.targets.anchors, statistics.most_positives),
        ("ignored", view.targets.ignored, statistics.most_ignored),
        ("boxes", view.boxes, statistics.most_boxes),
    ):
        if len(values) > most:
            yield f"{name} must number at most {most}, as in the manifest, got {len(values)}"


def find_box_faults(view: RecordView, classes: int) -> Iterator[str]:
    """What is wrong with a view's boxes and labels. If nothing is, the boxes can be matched."""
    boxes, labels = view.boxes, view.labels
    if not (np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= 1).all()):
        yield f"boxes must lie in [0, 1], got {show_array(boxes)}"
    elif not (boxes[:, :2] < boxes[:, 2:]).all():
        yield f"boxes must have an area, got {show_array(boxes)}"
    if not ((labels >= 0) & (labels < classes)).all():
        yield f"labels must be in [0, {classes}), got {show_array(labels)}"


def _find_target_faults(view: RecordView, anchor_count: int) -> Iterator[str]:
    targets = view.targets
    for name, anchors in (("anchors", targets.anchors), ("ignored", targets.ignored)):
        if not ((anchors >= 0) & (anchors < anchor_count)).all():
            yield f"{name} must be in [0, {anchor_count}), got {show_array(anchors)}"
        elif not (np.diff(anchors) > 0).all():
            yield f"{name} must ascend, got {show_array(anchors)}"
    if len(both := np.intersect1d(targets.anchors, targets.ignored)):
        yield f"ignored must not name matched anchors, got {show_array(both)}"
    if not np.isfinite(targets.offsets).all():
        yield f"offsets must be finite, got {show_array(targets.offsets)}"


def _name(text: str) -> str:
    return make_printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def show_array(values: np.ndarray) -> str:
    """The values of an array as messages show them, with the end of a long list cut off."""
    text = str(values.reshape(-1)[:_SHOWN].tolist())
    return text if values.size <= _SHOWN and len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
