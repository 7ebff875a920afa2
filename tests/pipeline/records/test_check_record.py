"""The check of a record: good ones pass, and everything in one that contradicts the manifest is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.records.check_record import box_faults, parse_record, record_faults
from pipeline.records.manifest import Manifest
from pipeline.records.read_records import read_records
from pipeline.records.record import encode_record, unpack_ground_truth
from tests.pipeline.records.altered_record import (
    Change,
    box_side,
    layout_with,
    moved,
    shown,
    targets_with,
    view_with,
)
from tests.record_sets import TINY, collage_of, make_records, with_format, write_record_set

COLLAGE = replace(TINY, views=3, collage=replace(collage_of(TINY), flip=True))
NO_OBJECTS = unpack_ground_truth(b"")


@pytest.fixture(scope="module")
def collage(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("collage"), config=COLLAGE, train=6, val=1, test=1)


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
    ("image/source_size must not be there in a collage, got [20, 40]", lambda r: replace(r, source_size=(20, 40))),
    (
        "image/ground_truth must not be there in a collage, got one",
        lambda r: replace(r, truth=NO_OBJECTS),
    ),
    ("image/source_image_id must not be there in a collage, got one", lambda r: replace(r, image_id="7")),
    ("image/encoded: raw image must have", lambda r: replace(r, encoded=r.encoded[:-1])),
    ("image/encoded: raw image must have", lambda r: replace(r, encoded=r.encoded + b"\0")),
    ("image/views must hold 3 views, got 2", lambda r: replace(r, views=r.views[:2])),
    ("image/views must hold 3 views, got 4", lambda r: replace(r, views=r.views + r.views[:1])),
    ("image/views[0]: shown must lie inside", shown(0, ymin=-1)),
    ("image/views[1]: shown must lie inside", shown(1, xmin=1)),
    ("image/views[1]: shown must lie inside", shown(1, height=2**31 - 1)),
    ("image/views[2]: shown must lie inside", shown(2, height=0)),
    ("image/views[2]: shown must lie inside", shown(2, width=-3)),
    ("image/views[1]: shown must be the whole image in a collage, Rectangle(", shown(1, width=3)),
    ("image/views[0]: place must lie inside 64 x 64 pixels", moved(0, ymin=-1)),
    ("image/views[0]: place must lie inside 64 x 64 pixels", moved(0, xmin=60)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, ymin=60)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, height=0)),
    ("image/views[1]: place must lie inside 64 x 64 pixels", moved(1, height=-16, width=-16)),
    ("image/views[2]: place must lie inside 64 x 64 pixels", moved(2, ymin=2**31 - 1, height=2**31 - 1)),
    ("image/views[2]: place must have the image's size in a collage", moved(2, ymin=0, height=10)),
    ("image/views[0]: mirrored must be 0 in the first view, got 1", layout_with(0, mirrored=True)),
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
        "image/views[0]: classes must be among the labels [",
        targets_with(0, lambda v: {"classes": v.targets.classes + 999}),
    ),
    (
        "image/views[1]: classes must be among the labels [",
        targets_with(1, lambda v: {"classes": v.targets.classes - 999}),
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
            assert list(record_faults(record, manifest, split)) == []


@pytest.mark.parametrize(("fault", "change"), WRONG)
def test_what_is_wrong_is_named(fault: str, change: Change, collage: Manifest) -> None:
    record = change(make_records(COLLAGE, "train", 6)[5])
    with pytest.raises(ValueError) as wrong:
        parse_record(encode_record(record), collage, "train")
    message = str(wrong.value)
    assert message.startswith(fault) and "\n" not in message and len(message) < 1000
    assert message == next(record_faults(record, collage, "train"))


def test_every_fault_of_every_view_is_named(collage: Manifest) -> None:
    record = make_records(COLLAGE, "train", 6)[5]
    for number in range(3):
        record = view_with(number, box_side(1.5))(record)
        record = targets_with(number, lambda v: {"anchors": v.targets.anchors + 390})(record)
    names = [fault.split(" must ")[0] for fault in record_faults(record, collage, "train")]
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
    statistics = {**collage.statistics, "train": {**collage.statistics["train"], limit: max(counts)}}
    assert list(record_faults(record, replace(collage, statistics=statistics), "train")) == []
    statistics["train"][limit] -= 1
    faults = list(record_faults(record, replace(collage, statistics=statistics), "train"))
    most = max(counts)
    assert faults == [
        f"image/views[{number}]: {name} must number at most {most - 1}, as in the manifest, got {most}"
        for number, count in enumerate(counts)
        if count == most
    ]


def test_a_mirrored_view_needs_flip(collage: Manifest) -> None:
    """Readers do not mirror images of a set without flip."""
    plain = replace(collage, config=replace(COLLAGE, collage=replace(collage_of(COLLAGE), flip=False)))
    record = make_records(plain.config, "train", 6)[5]
    assert list(record_faults(record, plain, "train")) == []
    faults = list(record_faults(layout_with(2, mirrored=True)(record), plain, "train"))
    assert faults == ["image/views[2]: mirrored must be 0 without flip, got 1"]


def test_boxes_without_faults_can_be_matched() -> None:
    view = make_records(TINY, "train", 1)[0].views[0]
    assert list(box_faults(view, 3)) == []
    assert [fault.split()[0] for fault in box_faults(replace(view, labels=view.labels + 3), 3)] == ["labels"]
    both = box_side(0.0)(replace(view, labels=view.labels - 3))
    assert [fault.split()[0] for fault in box_faults(both, 3)] == ["boxes", "labels"]
