"""Reading records: good ones pass the check; whatever is wrong in one, shard, record and feature are named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.compositions.composition import GroundTruth, SourceImage, no_objects
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.view import Rectangle, View
from pipeline.errors import UserError
from pipeline.geometry.anchors import make_anchors
from pipeline.records.image_codec import MAX_PIXELS
from pipeline.records.keys import make_record_key
from pipeline.records.manifest import BySplit, Manifest, Shard
from pipeline.records.packed_view import RecordView
from pipeline.records.read_records import find_box_faults, find_faults, parse_record, read_records
from pipeline.records.record import Record, encode_record
from pipeline.records.statistics import Statistics
from pipeline.records.tfrecord import frame
from tests.one_record import make_record
from tests.record_sets import TINY, collage_of, make_records, with_format, write_record_set

Change = Callable[[Record], Record]

COLLAGE = replace(TINY, views=3, composition=msgspec.structs.replace(collage_of(TINY), flip=True))
LETTERBOX = replace(TINY, views=3, composition=Letterbox(canvas=(64, 64), image_side=40))


@pytest.fixture(scope="module")
def collage(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("collage"), config=COLLAGE, train=6, val=1, test=1)


@pytest.fixture(scope="module")
def letterbox(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    records = {
        split: [letterbox_record(number, split) for number in range(count)]
        for split, count in (("train", 4), ("val", 1), ("test", 1))
    }
    return write_record_set(tmp_path_factory.mktemp("letterbox"), config=LETTERBOX, records=records)


def letterbox_record(number: int, split: str = "train") -> Record:
    """An image of 20 x 40 pixels, of twice that size in the source, with two objects."""
    key = make_record_key(split, f"{split}-{number}", 0)
    no = np.zeros(2, bool)
    corners = np.array([[4.0, 6, 36, 50], [10, 40, 30, 76]])
    truth = GroundTruth(corners, np.array([0, 2]), no, no, no, np.array([1408.0, 720.0]))
    layout = LETTERBOX.composition.layout(
        SourceImage((40, 80), truth=truth), views=LETTERBOX.views_of(split), bits=EntryBits(LETTERBOX.seed, key)
    )
    pixels = np.random.default_rng(number).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    return make_record(pixels, layout, key=key, config=LETTERBOX, anchors=make_anchors(LETTERBOX.anchors, (64, 64)))[0]


def with_statistics(manifest: Manifest, statistics: Statistics) -> Manifest:
    """The manifest with others of train."""
    splits = BySplit(train=statistics, val=manifest.statistics.val, test=manifest.statistics.test)
    return msgspec.structs.replace(manifest, statistics=splits)


def view_with(number: int, change: Callable[[RecordView], RecordView]) -> Change:
    def changed(record: Record) -> Record:
        views = list(record.views)
        views[number] = change(views[number])
        return replace(record, views=tuple(views))

    return changed


def targets_with(number: int, change: Callable[[RecordView], dict[str, Any]]) -> Change:
    return view_with(number, lambda v: replace(v, targets=replace(v.targets, **change(v))))


def box_side(value: float, side: int = 2) -> Callable[[RecordView], RecordView]:
    def change(view: RecordView) -> RecordView:
        boxes = view.boxes.copy()
        boxes[0, side] = value
        return replace(view, boxes=boxes)

    return change


def moved(number: int, **change: int) -> Change:
    """With the place of a view changed."""
    return view_with(number, lambda v: replace(v, view=replace(v.view, place=replace(v.view.place, **change))))


def show_value(number: int, **change: int) -> Change:
    """With the shown part of a view changed."""
    return view_with(number, lambda v: replace(v, view=replace(v.view, shown=replace(v.view.shown, **change))))


def own_image(**change: Any) -> Change:
    """With what the record says of its own image changed."""
    return lambda r: replace(r, drawn=(replace(r.drawn[0], **change), *r.drawn[1:]))


def labels_of_truth(*labels: int) -> Change:
    def change(record: Record) -> Record:
        assert record.truth is not None
        return own_image(truth=replace(record.truth, labels=np.array(labels)))(record)

    return change


# How the first fault begins, and what causes it.
WRONG: list[tuple[str, Change]] = [
    ("image/key must be train/train-5/<copy below 1>, got test/", lambda r: replace(r, key="test/train-0/0")),
    ("image/key must be train/another/<copy", lambda r: replace(r, source_id="another")),
    ("image/key must be", lambda r: replace(r, key=r.key + "\x1b[2J")),
    ("image/key must be", lambda r: replace(r, key=r.key + "0")),
    ("image/key must be", lambda r: replace(r, key=r.key[:-1] + "1")),
    ("image/key must be", lambda r: replace(r, key=r.key[:-1] + "9" * 50_000)),
    ("image/key must be", lambda r: replace(r, key=r.key[:-1] + "²")),
    ("image/format must be raw, got png", lambda r: replace(r, format="png")),
    ("image/height must be from", lambda r: replace(r, height=65)),
    ("image/height must be from", lambda r: replace(r, height=1)),
    ("image/width must be from", lambda r: replace(r, width=65)),
    ("image/width must be from", lambda r: replace(r, width=1)),
    (
        "image/ground_truth is there, but its images have no boxes",
        lambda r: replace(r, drawn=(SourceImage((20, 40), truth=no_objects()),)),
    ),
    ("image/drawn: labels must be in [0, 3), got [3", own_image(label=3)),
    ("image/encoded: raw image must have", lambda r: replace(r, encoded=r.encoded[:-1])),
    ("image/encoded: raw image must have", lambda r: replace(r, encoded=r.encoded + b"\0")),
    ("image/views must hold 3 views, got 2", lambda r: replace(r, views=r.views[:2])),
    ("image/views must hold 3 views, got 4", lambda r: replace(r, views=r.views + r.views[:1])),
    ("image/views[0]: shown must lie inside", show_value(0, ymin=-1)),
    ("image/views[1]: shown must lie inside", show_value(1, xmin=1)),
    ("image/views[1]: shown must lie inside", show_value(1, height=2**31 - 1)),
    ("image/views[2]: shown must lie inside", show_value(2, height=0)),
    ("image/views[2]: shown must lie inside", show_value(2, width=-3)),
    ("image/views[1]: place must have the size of the shown part, got Rectangle(", show_value(1, width=3)),
    ("image/views[0]: place must lie inside 64 x 64 pixels", moved(0, ymin=-1)),
    ("image/views[0]: place must lie inside 64 x 64 pixels", moved(0, xmin=60)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, ymin=60)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, height=0)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, height=-16, width=-16)),
    ("image/views[2]: place must lie inside 64 x 64 pixels", moved(2, ymin=2**31 - 1, height=2**31 - 1)),
    ("image/views[2]: place must have the size of the shown part", moved(2, ymin=0, height=10)),
    ("image/views[0]: boxes must lie in [0, 1]", view_with(0, box_side(float("nan")))),
    ("image/views[0]: boxes must lie in [0, 1]", view_with(0, box_side(float("inf")))),
    ("image/views[1]: boxes must lie in [0, 1]", view_with(1, box_side(1.1))),
    ("image/views[2]: boxes must lie in [0, 1]", view_with(2, box_side(-1e-9, 0))),
    ("image/views[1]: boxes must have an area", view_with(1, box_side(0.0))),
    ("image/views[0]: labels must be in [0, 3)", view_with(0, lambda v: replace(v, labels=v.labels - 5))),
    ("image/views[2]: labels must be in [0, 3)", view_with(2, lambda v: replace(v, labels=v.labels + 3))),
    ("image/views[0]: anchors must ascend", targets_with(0, lambda v: {"anchors": v.targets.anchors[::-1]})),
    ("image/views[1]: anchors must ascend", targets_with(1, lambda v: {"anchors": v.targets.anchors * 0})),
    ("image/views[0]: anchors must be in [0, 390)", targets_with(0, lambda v: {"anchors": v.targets.anchors - 10_000})),
    ("image/views[2]: anchors must be in [0, 390)", targets_with(2, lambda v: {"anchors": v.targets.anchors + 390})),
    ("image/views[1]: ignored must be in [0, 390)", targets_with(1, lambda _: {"ignored": np.array([390])})),
    ("image/views[1]: ignored must be in [0, 390)", targets_with(1, lambda _: {"ignored": np.array([-1])})),
    ("image/views[1]: ignored must ascend", targets_with(1, lambda _: {"ignored": np.array([2, 1])})),
    (
        "image/views[1]: ignored must not name matched anchors, got [",
        targets_with(1, lambda v: {"ignored": v.targets.anchors[:1]}),
    ),
    (
        "image/views[2]: offsets must be finite, got [",
        targets_with(2, lambda v: {"offsets": v.targets.offsets * np.float32("nan")}),
    ),
]


@pytest.mark.parametrize("image_format", ["raw", "png", "jpeg"])
def test_records_as_they_are_made_have_no_faults(image_format: str, tmp_path: Path) -> None:
    config = with_format(COLLAGE, image_format)
    manifest = write_record_set(tmp_path, config=config, train=5, val=1, test=1)
    assert [r.key for r in read_records(manifest, "train")] == [f"train/train-{n}/0" for n in (0, 3, 1, 4, 2)]
    for split, count in (("train", 5), ("val", 1), ("test", 1)):
        for record in make_records(config, split, count):
            assert list(find_faults(record, manifest, split)) == []


@pytest.mark.parametrize(("fault", "change"), WRONG)
def test_what_is_wrong_is_named(fault: str, change: Change, collage: Manifest) -> None:
    record = change(make_records(COLLAGE, "train", 6)[5])
    with pytest.raises(ValueError) as wrong:
        parse_record(encode_record(record), collage, "train")
    message = str(wrong.value)
    assert message.startswith(fault) and "\n" not in message and len(message) < 1000
    assert message == next(find_faults(record, collage, "train"))


def test_every_fault_of_every_view_is_named(collage: Manifest) -> None:
    record = make_records(COLLAGE, "train", 6)[5]
    for number in range(3):
        record = view_with(number, box_side(1.5))(record)
        record = targets_with(number, lambda v: {"anchors": v.targets.anchors + 390})(record)
    names = [fault.split(" must ")[0] for fault in find_faults(record, collage, "train")]
    assert names == [f"image/views[{number}]: {name}" for number in range(3) for name in ("boxes", "anchors")]


@pytest.mark.parametrize(
    ("name", "field", "limit"),
    [
        ("anchors", "positives", "most_positives"),
        ("ignored", "ignored", "most_ignored"),
        ("boxes", "boxes", "most_boxes"),
    ],
)
def test_a_view_with_more_than_the_manifest_allows_is_named(
    name: str, field: str, limit: str, collage: Manifest
) -> None:
    """Readers make room for as many as the manifest says, and no more."""
    record = make_records(COLLAGE, "train", 6)[5]
    views = record.views
    counts = {
        "positives": [len(v.targets.anchors) for v in views],
        "ignored": [len(v.targets.ignored) for v in views],
        "boxes": [len(v.boxes) for v in views],
    }[field]
    assert max(counts) > 0
    most = max(counts)
    statistics = msgspec.structs.replace(collage.statistics.train, **{limit: most})
    assert list(find_faults(record, with_statistics(collage, statistics), "train")) == []
    statistics = msgspec.structs.replace(statistics, **{limit: most - 1})
    faults = list(find_faults(record, with_statistics(collage, statistics), "train"))
    assert faults == [
        f"image/views[{number}]: {name} must number at most {most - 1}, as in the manifest, got {most}"
        for number, count in enumerate(counts)
        if count == most
    ]


def test_boxes_without_faults_can_be_matched() -> None:
    view = make_records(TINY, "train", 1)[0].views[0]
    assert list(find_box_faults(view, 3)) == []
    assert [fault.split()[0] for fault in find_box_faults(replace(view, labels=view.labels + 3), 3)] == ["labels"]
    both = box_side(0.0)(replace(view, labels=view.labels - 3))
    assert [fault.split()[0] for fault in find_box_faults(both, 3)] == ["boxes", "labels"]


def test_records_of_a_letterbox_as_they_are_made_have_no_faults(letterbox: Manifest) -> None:
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        assert len(list(read_records(letterbox, split))) == count


def test_an_image_of_too_many_pixels_is_not_decoded(letterbox: Manifest) -> None:
    statistics = msgspec.structs.replace(letterbox.statistics.train, most_height=65_500, most_width=65_500)
    record = replace(letterbox_record(0), height=65_000, width=65_000)
    assert f"image/encoded must have at most {MAX_PIXELS} pixels, got {65_000**2}" in list(
        find_faults(record, with_statistics(letterbox, statistics), "train")
    )


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        (
            "image/ground_truth is missing",
            own_image(truth=None, label=0),
        ),
        ("image/ground_truth: labels must be in [0, 3), got [0, 3]", labels_of_truth(0, 3)),
        (
            "image/source_image_id must be a number, or a string as the job writes it, got '\"x'",
            own_image(image_id='"x'),
        ),
        ("image/source_image_id must be a number, or a string as the job writes it, got ''", own_image(image_id="")),
        ("image/height must be from 20 to 20, as in the manifest, got 21", lambda r: replace(r, height=21)),
        ("image/width must be from 40 to 40, as in the manifest, got 39", lambda r: replace(r, width=39)),
        ("image/views[0]: shown must lie inside 20 x 40 pixels", show_value(0, ymin=1)),
        ("image/views[1]: shown must lie inside 20 x 40 pixels", show_value(1, xmin=39, width=2)),
        ("image/views[2]: place must lie inside 64 x 64 pixels", moved(2, xmin=1, width=64)),
    ],
)
def test_what_is_wrong_in_a_letterbox_is_named(fault: str, change: Change, letterbox: Manifest) -> None:
    with pytest.raises(ValueError) as wrong:
        parse_record(encode_record(change(letterbox_record(3))), letterbox, "train")
    assert str(wrong.value).startswith(fault)


def test_views_of_a_letterbox_may_lie_anywhere_on_the_canvas(letterbox: Manifest) -> None:
    view = View(Rectangle(3, 5, 10, 7), Rectangle(40, 50, 9, 14), mirrored=True)
    record = view_with(1, lambda v: replace(v, view=view))(letterbox_record(0))
    assert list(find_faults(record, letterbox, "train")) == []


@pytest.mark.parametrize("text", ["7", '"7"', "a.jpg", '""'])
def test_ids_of_the_source_have_no_faults(text: str, letterbox: Manifest) -> None:
    assert list(find_faults(own_image(image_id=text)(letterbox_record(0)), letterbox, "train")) == []


def test_shard_record_and_feature_are_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    shard = manifest.shards("train")[1]
    records = make_records(TINY, "train", 6)[1::3]
    view = records[1].views[0]
    records[1] = replace(records[1], views=(replace(view, labels=view.labels + 3),))
    (tmp_path / shard.name).write_bytes(b"".join(frame(encode_record(record)) for record in records))
    where = rf"{shard.name}: record 1: image/views\[0\]: labels must be in \[0, 3\), got"
    with pytest.raises(UserError, match=where):
        list(read_records(with_shard(manifest, tmp_path / shard.name, 1), "train"))


def test_a_shard_with_a_record_too_few_or_too_many_is_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    path = tmp_path / manifest.shards("train")[0].name
    for count in (1, 3):
        path.write_bytes(b"".join(frame(encode_record(r)) for r in make_records(TINY, "train", count)))
        with pytest.raises(UserError, match=rf"{path.name} must hold 2 records, got {count}"):
            list(read_records(with_shard(manifest, path, 0), "train"))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=rf"{path.name}: record 2 at byte [0-9]+ is cut off"):
        list(read_records(with_shard(manifest, path, 0), "train"))


def with_shard(manifest: Manifest, path: Path, number: int) -> Manifest:
    """The manifest, its shard of that number with the size and checksum of the file."""
    data = path.read_bytes()
    shards = list(manifest.shards("train"))
    shards[number] = Shard(path.name, shards[number].examples, len(data), hashlib.sha256(data).hexdigest())
    passes = BySplit(train=(tuple(shards),), val=manifest.passes.val, test=manifest.passes.test)
    return msgspec.structs.replace(manifest, passes=passes)
