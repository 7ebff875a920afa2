"""The check of a record: good ones pass, and every field that contradicts the manifest is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.records.check_record import parse_record, record_faults
from pipeline.records.manifest import Manifest, Shard
from pipeline.records.read_records import read_records
from pipeline.records.record import Record, encode_record
from pipeline.records.tfrecord import frame
from pipeline.views.letterbox import Transform, fit_boxes
from pipeline.views.placement import Rectangle
from tests.record_sets import TINY, make_records, with_format, write_record_set


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("records"), train=6, val=1, test=1)


def targets_of(**change: Any) -> Callable[[Record], Record]:
    return lambda r: replace(r, targets=replace(r.targets, **change))


def boxes_with(value: float) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        boxes = record.boxes.copy()
        boxes[0, 2] = value
        return replace(record, boxes=boxes)

    return change


def window_of(*values: int) -> Callable[[Record], Record]:
    return lambda r: replace(r, window=Rectangle(*values))


WRONG: list[tuple[str, Callable[[Record], Record]]] = [
    ("image/key", lambda r: replace(r, key="test/train-0/0")),
    ("image/key", lambda r: replace(r, source_id="another")),
    ("image/key", lambda r: replace(r, key=r.key + "\x1b[2J")),
    ("image/key", lambda r: replace(r, key=r.key + "0")),
    ("image/key", lambda r: replace(r, key=r.key[:-1] + "1")),
    ("image/key", lambda r: replace(r, key=r.key[:-1] + "9" * 50_000)),
    ("image/key", lambda r: replace(r, key=r.key[:-1] + "²")),
    ("image/transform", lambda r: replace(r, source_size=(20, 40))),
    ("image/transform", lambda r: replace(r, transform=Transform(1.0, 1.0, 0.0, 0.0))),
    ("image/height", lambda r: replace(r, height=63)),
    ("image/width", lambda r: replace(r, width=65)),
    ("image/format", lambda r: replace(r, format="png")),
    ("image/window", window_of(-1, 0, 16, 16)),
    ("image/window", window_of(0, 0, -16, -16)),
    ("image/window", window_of(0, 0, 0, 16)),
    ("image/window", window_of(60, 0, 16, 16)),
    ("image/window", window_of(0, 60, 16, 16)),
    ("image/window", window_of(2**63 - 1, 0, 2**63 - 1, 16)),
    ("image/window", window_of(2**32, 0, 16, 16)),
    ("image/encoded", lambda r: replace(r, encoded=r.encoded[:-1])),
    ("image/encoded", lambda r: replace(r, encoded=r.encoded + b"\0")),
    ("image/object/bbox", boxes_with(float("nan"))),
    ("image/object/bbox", boxes_with(float("inf"))),
    ("image/object/bbox", boxes_with(1.1)),
    ("image/object/bbox", boxes_with(-0.1)),
    ("image/object/bbox", boxes_with(0.0)),
    ("image/object/class/label", lambda r: replace(r, labels=r.labels - 5)),
    ("image/object/class/label", lambda r: replace(r, labels=r.labels + 3)),
    ("target/anchor", lambda r: targets_of(anchors=r.targets.anchors[::-1])(r)),
    ("target/anchor", lambda r: targets_of(anchors=np.zeros_like(r.targets.anchors))(r)),
    ("target/anchor", lambda r: targets_of(anchors=r.targets.anchors - 10_000)(r)),
    ("target/anchor", lambda r: targets_of(anchors=r.targets.anchors + 10_000)(r)),
    ("target/ignored", targets_of(ignored=np.array([100_000], np.int64))),
    ("target/ignored", targets_of(ignored=np.array([-1], np.int64))),
    ("target/ignored", targets_of(ignored=np.array([2, 1], np.int64))),
    ("target/ignored", lambda r: targets_of(ignored=r.targets.anchors[:1])(r)),
    ("target/class", lambda r: targets_of(classes=r.targets.classes + 999)(r)),
    ("target/class", lambda r: targets_of(classes=r.targets.classes - 999)(r)),
    ("target/offsets", lambda r: targets_of(offsets=r.targets.offsets * np.float32("nan"))(r)),
]


@pytest.mark.parametrize("picture_format", ["raw", "png", "jpeg"])
def test_records_as_they_are_made_have_no_faults(picture_format: str, tmp_path: Path) -> None:
    config = with_format(TINY, picture_format)
    manifest = write_record_set(tmp_path, config=config, train=5, val=1, test=1)
    assert [r.key for r in read_records(manifest, "train")] == [f"train/train-{n}/0" for n in (0, 3, 1, 4, 2)]
    for record in make_records(config, "train", 5):
        assert list(record_faults(record, manifest, "train")) == []


@pytest.mark.parametrize(("feature", "change"), WRONG)
def test_a_wrong_field_is_named(feature: str, change: Callable[[Record], Record], manifest: Manifest) -> None:
    record = change(make_records(TINY, "train", 6)[5])
    with pytest.raises(ValueError, match=rf"^{feature}(:| must) [^\n]*$") as wrong:
        parse_record(encode_record(record), manifest, "train")
    assert len(str(wrong.value)) < 1000


@pytest.mark.parametrize("flipped", [False, True])
def test_source_size_transform_and_window_agree(flipped: bool, manifest: Manifest) -> None:
    size = TINY.canvas.size
    _, window, transform = fit_boxes(np.zeros((0, 4)), (20, 41), size=size, flipped=flipped)
    transform = Transform(*np.array(astuple(transform), np.float32).tolist())  # as it is stored
    pixels = bytes(3 * window.height * window.width)
    record = make_records(TINY, "train", 1)[0]
    record = replace(record, source_size=(20, 41), transform=transform, window=window, encoded=pixels)
    assert list(record_faults(record, manifest, "train")) == []
    for source_size in ((20, 42), (0, 41), (-20, 41), (2**62, 41), (20, 2**31)):
        wrong = list(record_faults(replace(record, source_size=source_size), manifest, "train"))
        assert any(fault.startswith(("image/source_size", "image/transform", "image/window")) for fault in wrong)
    for place in range(4):
        for value in (float("nan"), float("inf"), -1e30, 0.37):
            values = list(astuple(transform))
            values[place] = value
            (wrong_transform,) = record_faults(replace(record, transform=Transform(*values)), manifest, "train")
            assert wrong_transform.startswith("image/transform must be")
    moved = replace(window, ymin=1)
    (fault,) = record_faults(replace(record, window=moved), manifest, "train")
    assert fault.startswith("image/window must be")


def test_shard_record_and_feature_are_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    shard = manifest.shards["train"][1]
    records = make_records(TINY, "train", 6)[1::3]
    records[1] = replace(records[1], labels=records[1].labels + 3)
    forge(tmp_path / shard.name, b"".join(frame(encode_record(record)) for record in records))
    with pytest.raises(UserError, match=rf"{shard.name}: record 1: image/object/class/label must be in \[0, 3\), got"):
        list(read_records(with_shard(manifest, tmp_path / shard.name, 1), "train"))


def test_a_shard_with_a_record_too_few_or_too_many_is_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    path = tmp_path / manifest.shards["train"][0].name
    for count in (1, 3):
        forge(path, b"".join(frame(encode_record(r)) for r in make_records(TINY, "train", count)))
        with pytest.raises(UserError, match=rf"{path.name} must hold 2 records, got {count}"):
            list(read_records(with_shard(manifest, path, 0), "train"))
    forge(path, path.read_bytes()[:-3])
    with pytest.raises(UserError, match=rf"{path.name}: record 2 at byte [0-9]+ must have"):
        list(read_records(with_shard(manifest, path, 0), "train"))


def forge(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def with_shard(manifest: Manifest, path: Path, number: int) -> Manifest:
    """The manifest, its shard of that number with the size and checksum of the file."""
    data = path.read_bytes()
    shards = list(manifest.shards["train"])
    shards[number] = Shard(path.name, shards[number].examples, len(data), hashlib.sha256(data).hexdigest())
    return replace(manifest, shards={**manifest.shards, "train": tuple(shards)})
