"""The check of a record of a letterbox: its source's size, its stored size and its views agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.records_config import Letterbox
from pipeline.geometry.anchors import make_anchors
from pipeline.records.check_record import parse_record, record_faults
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.image_codec import MAX_PIXELS
from pipeline.records.keys import record_key
from pipeline.records.layout import Layout
from pipeline.records.make_record import SourceImage
from pipeline.records.manifest import Manifest
from pipeline.records.read_records import read_records
from pipeline.records.record import Record, encode_record
from pipeline.views.letterbox import letterbox_views
from pipeline.views.placement import Rectangle, Shape
from pipeline.views.random_bits import bits_of_views
from pipeline.views.view import View
from tests.one_record import make_record
from tests.pipeline.records.altered_record import Change, layout_with, moved, shown, view_with
from tests.record_sets import TINY, write_record_set

COMPOSITION = Letterbox(size=64, image_side=40)
CONFIG = replace(TINY, views=3, collage=None, letterbox=COMPOSITION)
SOURCE_SIZE = "image/source_size must be of an image that is stored as (20, 40)"


def letterbox_record(number: int, split: str = "train") -> Record:
    """An image of 20 x 40 pixels, of twice that size in the source, with two objects."""
    key = record_key(split, f"{split}-{number}", 0)
    pixels = np.random.default_rng(number).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    corners = np.array([[2.0, 3, 18, 25], [5, 20, 15, 38]])
    bits_of = bits_of_views(CONFIG.seed, key)
    views = letterbox_views(COMPOSITION, (20, 40), corners, count=CONFIG.views_of(split), bits_of=bits_of)
    no = np.zeros(2, bool)
    truth = GroundTruth(corners * 2, np.array([0, 2]), crowd=no, difficult=no, area=np.array([1408.0, 720.0]))
    record, _ = make_record(
        pixels,
        Layout(corners, np.array([0, 2]), views),
        key=key,
        source_id=f"{split}-{number}",
        config=CONFIG,
        anchors=make_anchors(CONFIG.anchors, (CONFIG.canvas_size, CONFIG.canvas_size)),
        source=SourceImage((40, 80), truth),
    )
    return record


def source_size(size: Shape | None) -> Change:
    return lambda record: replace(record, source_size=size)


def image_id(text: str) -> Change:
    return lambda record: replace(record, image_id=text)


def labels_of_truth(*labels: int) -> Change:
    def change(record: Record) -> Record:
        assert record.truth is not None
        return replace(record, truth=replace(record.truth, labels=np.array(labels)))

    return change


@pytest.fixture(scope="module")
def letterbox(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    records = {
        split: [letterbox_record(number, split) for number in range(count)]
        for split, count in (("train", 4), ("val", 1), ("test", 1))
    }
    return write_record_set(tmp_path_factory.mktemp("letterbox"), config=CONFIG, records=records)


def test_records_as_they_are_made_have_no_faults(letterbox: Manifest) -> None:
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        assert len(list(read_records(letterbox, split))) == count


def test_a_image_of_too_many_pixels_is_not_decoded(letterbox: Manifest) -> None:
    statistics = {**letterbox.statistics["train"], "most_height": 65_500, "most_width": 65_500}
    manifest = replace(letterbox, statistics={**letterbox.statistics, "train": statistics})
    record = replace(letterbox_record(0), height=65_000, width=65_000)
    assert f"image/encoded must have at most {MAX_PIXELS} pixels, got {65_000**2}" in list(
        record_faults(record, manifest, "train")
    )


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("image/source_size must be the size of the source's image, got none", source_size(None)),
        (f"{SOURCE_SIZE}, got (40, 84), as (19, 40)", source_size((40, 84))),
        (f"{SOURCE_SIZE}, got (80, 40), as (40, 20)", source_size((80, 40))),
        (f"{SOURCE_SIZE}, got (20, 39), as (20, 39)", source_size((20, 39))),
        (f"{SOURCE_SIZE}, got (65500, 1), as (40, 1)", source_size((65_500, 1))),
        ("image/ground_truth must be there in a letterbox, got none", lambda r: replace(r, truth=None)),
        ("image/ground_truth: labels must be in [0, 3), got [0, 3]", labels_of_truth(0, 3)),
        ("image/source_image_id must be a number, or a string as the job writes it, got '\"x'", image_id('"x')),
        ("image/source_image_id must be a number, or a string as the job writes it, got ''", image_id("")),
        ("image/height must be from 20 to 20, as in the manifest, got 21", lambda r: replace(r, height=21)),
        ("image/width must be from 40 to 40, as in the manifest, got 39", lambda r: replace(r, width=39)),
        ("image/views[0]: shown must lie inside 20 x 40 pixels", shown(0, ymin=1)),
        ("image/views[0]: shown and place must be those of the whole image in the first view", shown(0, width=39)),
        ("image/views[0]: shown and place must be those of the whole image in the first view", moved(0, ymin=1)),
        ("image/views[0]: shown and place must be those of the whole image in the first view", moved(0, height=31)),
        ("image/views[0]: mirrored must be 0 in the first view, got 1", layout_with(0, mirrored=True)),
        ("image/views[1]: shown must lie inside 20 x 40 pixels", shown(1, xmin=39, width=2)),
        ("image/views[2]: place must lie inside 64 x 64 pixels", moved(2, xmin=1, width=64)),
    ],
)
def test_what_is_wrong_in_a_letterbox_is_named(fault: str, change: Change, letterbox: Manifest) -> None:
    with pytest.raises(ValueError) as wrong:
        parse_record(encode_record(change(letterbox_record(3))), letterbox, "train")
    assert str(wrong.value).startswith(fault)


def test_other_views_of_a_letterbox_may_lie_anywhere_on_the_canvas(letterbox: Manifest) -> None:
    view = View(Rectangle(3, 5, 10, 7), Rectangle(40, 50, 9, 14), mirrored=True)
    record = view_with(1, lambda v: replace(v, view=view))(letterbox_record(0))
    assert list(record_faults(record, letterbox, "train")) == []


@pytest.mark.parametrize("text", ["7", '"7"', "a.jpg", '""'])
def test_ids_of_the_source_have_no_faults(text: str, letterbox: Manifest) -> None:
    assert list(record_faults(image_id(text)(letterbox_record(0)), letterbox, "train")) == []
