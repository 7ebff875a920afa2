"""`verify` finds any view that was altered, because it lays every record out again from what it says of its images."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from beam_jobs.sources.source import SourceBox
from pipeline.compositions.composition import GroundTruth, SourceImage
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.view import Rectangle
from pipeline.records.manifest import load_manifest
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record
from tests.beam_jobs.forged_set import forge, in_view, matched_anew
from tests.beam_jobs.image_source import ImageSource, write_images
from tests.beam_jobs.record_job import IMAGES, VIEWS, findings, make_set, read_shards

Change = Callable[[RecordView], RecordView]
LAST = VIEWS.views - 1


@pytest.fixture(scope="module")
def collage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of digits, with four views a record."""
    records = tmp_path_factory.mktemp("collage")
    make_set(records, VIEWS)
    return records


@pytest.fixture(scope="module")
def letterbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of photographs, with four views a record."""
    folder = tmp_path_factory.mktemp("letterbox")
    make_set(folder / "records", IMAGES, source=images_with_crowds(folder / "images"))
    return folder / "records"


@pytest.fixture(params=["collage", "letterbox"])
def views(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one of these sets."""
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "records"))


@pytest.fixture
def letterboxed(letterbox: Path, tmp_path: Path) -> Path:
    """A copy of the set of photographs."""
    return Path(shutil.copytree(letterbox, tmp_path / "records"))


def images_with_crowds(folder: Path) -> ImageSource:
    """Every third image has a crowd too, and every fourth a difficult object."""
    source = write_images(folder, 30)
    for number, item in enumerate(source.listed):
        crowd = SourceBox(25, 0, 55, 30, "circle", crowd=True)
        difficult = SourceBox(30, 5, 58, 28, "square", difficult=True)
        more = (*([crowd] if number % 3 == 0 else []), *([difficult] if number % 4 == 0 else []))
        source.listed[number] = item._replace(boxes=(*(item.boxes or ()), *more))
    return source


def moved(rectangle: Rectangle) -> Rectangle:
    """One pixel to the left, or else to the right."""
    return replace(rectangle, xmin=rectangle.xmin + (-1 if rectangle.xmin else 1))


def smaller(rectangle: Rectangle) -> Rectangle:
    return replace(rectangle, height=rectangle.height - 1)


def other_labels(view: RecordView) -> RecordView:
    return replace(
        view,
        labels=1 - view.labels.clip(0, 1),
        targets=replace(view.targets, classes=1 - view.targets.classes.clip(0, 1)),
    )


CHANGES: dict[str, Change] = {
    "moved": lambda v: replace(v, view=replace(v.view, place=moved(v.view.place))),
    "smaller": lambda v: replace(v, view=replace(v.view, place=smaller(v.view.place))),
    "shows less": lambda v: replace(v, view=replace(v.view, shown=smaller(v.view.shown))),
    "mirrored": lambda v: replace(v, view=replace(v.view, mirrored=not v.view.mirrored)),
    "other boxes": lambda v: replace(v, boxes=v.boxes * np.float32(0.99)),
    "a box more": lambda v: replace(v, boxes=np.tile(v.boxes[:1], (2, 1)), labels=np.tile(v.labels[:1], 2)),
    "no box": lambda v: replace(v, boxes=v.boxes[:0], labels=v.labels[:0]),
    "other labels": other_labels,
}


def test_honest_views(views: Path) -> None:
    assert findings(views) == []


def test_crowds_and_difficult_objects(letterbox: Path) -> None:
    """They are there, so that the other tests look at them too."""
    seen = [record.truth for _, _, record in read_shards(letterbox) if record.truth is not None]
    assert sum(truth.crowd.sum() for truth in seen) == 10
    assert sum(truth.difficult.sum() for truth in seen) == 8


@pytest.mark.parametrize("number", [0, 1, LAST])
@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_view_with_targets_of_its_own(change: str, number: int, views: Path) -> None:
    """Its targets are those of its boxes, so that only another drawing can find it."""
    manifest = load_manifest(str(views))

    def forged(view: RecordView) -> RecordView:
        return matched_anew(CHANGES[change](view), manifest)

    name = forge(views, lambda records: [in_view(forged, number)(records[0]), *records[1:]])
    found = findings(views)
    assert found and all(f.startswith(f"{name}: record 0 (train/") and f"image/views[{number}]" in f for f in found)


def swapped(record: Record) -> Record:
    first, second, *others = record.views
    return replace(record, views=(first, *others, second))


def repeated(record: Record) -> Record:
    return replace(record, views=(record.views[0],) * len(record.views))


@pytest.mark.parametrize("change", [swapped, repeated])
def test_views_in_another_order_or_twice(change: Callable[[Record], Record], views: Path) -> None:
    name = forge(views, lambda records: [change(records[0]), *records[1:]])
    found = findings(views)
    assert found and all(f.startswith(f"{name}: record 0 (train/") for f in found)
    assert any("image/views[1]: shown, place and mirrored must be drawn as " in f for f in found)


def test_a_collage_in_another_place_than_its_bits_say(collage: Path, tmp_path: Path) -> None:
    """All of its views follow from each other, with boxes and targets of their own, but not from its key."""
    records = Path(shutil.copytree(collage, tmp_path / "records"))
    manifest = load_manifest(str(records))

    def shifted(view: RecordView) -> RecordView:
        place = moved(view.view.place)
        boxes = view.boxes + np.array([0, 1, 0, 1], np.float32) * np.float32((place.xmin - view.view.place.xmin) / 64)
        return matched_anew(replace(view, view=replace(view.view, place=place), boxes=boxes), manifest)

    name = forge(records, lambda stored: [in_view(shifted)(stored[0]), *stored[1:]])
    (found,) = findings(records)
    assert found.startswith(f"{name}: record 0 (train/")
    assert "image/views[0]: shown, place and mirrored must be drawn as View(" in found


DRAWN: dict[str, Callable[[tuple[SourceImage, ...]], tuple[SourceImage, ...]]] = {
    "one fewer": lambda images: images[:-1],
    "one more": lambda images: (*images, images[0]),
    "another size": lambda images: (replace(images[0], size=(8, 5)), *images[1:]),
    "another label": lambda images: (replace(images[0], label=9 - (images[0].label or 0)), *images[1:]),
}


@pytest.mark.parametrize("change", DRAWN)
def test_images_that_a_collage_did_not_draw(change: str, collage: Path, tmp_path: Path) -> None:
    records = Path(shutil.copytree(collage, tmp_path / "records"))
    number = 0

    def altered(stored: list[Record]) -> list[Record]:
        nonlocal number
        number = next(at for at, record in enumerate(stored) if len(record.drawn) == 2)
        stored[number] = replace(stored[number], drawn=DRAWN[change](stored[number].drawn))
        return stored

    name = forge(records, altered)
    found = findings(records)
    assert found and all(f.startswith(f"{name}: record {number} (train/") for f in found)
    if change.startswith("one"):
        (line,) = found
        got = 1 if change == "one fewer" else 3
        assert line.endswith(f": image/drawn must name as many images as its random bits ask for, got {got}")
    else:
        assert any("image/views[0]: " in f or "image must be stored as " in f for f in found)


def test_another_seed(views: Path) -> None:
    manifest = load_manifest(str(views))
    other = structs.replace(manifest, config=replace(manifest.config, seed=1))
    (views / "manifest.json").write_text(other.to_json())
    found = findings(views)
    assert sum("image/views[1]: shown, place and mirrored must be drawn as" in f for f in found) > 15


TRUTHS: dict[str, Callable[[GroundTruth], GroundTruth]] = {
    "a box moved": lambda t: replace(t, corners=t.corners + np.array([0, 0.5, 0, 0.5])),
    "another class": lambda t: replace(t, labels=1 - t.labels),
    "a crowd": lambda t: replace(t, crowd=~t.crowd),
    "difficult": lambda t: replace(t, difficult=~t.difficult),
    "ignored": lambda t: replace(t, ignored=~t.ignored),
    "in another order": lambda t: GroundTruth(*(getattr(t, f.name)[::-1] for f in dataclasses.fields(t))),
    "no object": lambda t: GroundTruth(*(getattr(t, f.name)[:0] for f in dataclasses.fields(t))),
}


@pytest.mark.parametrize("change", TRUTHS)
def test_altered_ground_truth(change: str, letterboxed: Path) -> None:
    def altered(record: Record) -> Record:
        assert record.truth is not None
        return replace(record, drawn=(replace(record.drawn[0], truth=TRUTHS[change](record.truth)),))

    name = forge(letterboxed, lambda records: [altered(records[0]), *records[1:]])
    found = findings(letterboxed)
    assert found and all(f.startswith(f"{name}: record 0 (train/") for f in found)
    assert any("image/views[0]: " in f for f in found)


def test_ground_truth_of_100_000_objects(letterboxed: Path) -> None:
    def full(record: Record) -> Record:
        count = 100_000
        corners = np.tile(np.array([0.0, 0, 20, 20]), (count, 1))
        yes, no = np.ones(count, bool), np.zeros(count, bool)
        truth = GroundTruth(corners, np.zeros(count, int), yes, no, no, np.ones(count))
        return replace(record, drawn=(replace(record.drawn[0], truth=truth),))

    name = forge(letterboxed, lambda records: [full(records[0]), *records[1:]])
    (found,) = findings(letterboxed)
    assert found.startswith(f"{name}: record 0 (train/") and "few enough to be matched" in found


def test_a_crowded_image_with_many_views_is_whole(tmp_path: Path) -> None:
    """The boxes of all views were counted together, and honest records had too many of them."""
    source = write_images(tmp_path / "images", 6)
    grid = [SourceBox(4.0 * y, 4.0 * x, 4.0 * y + 9, 4.0 * x + 9, "circle") for y in range(12) for x in range(12)]
    crowded = next(number for number, item in enumerate(source.listed) if item.split == "train")
    source.listed[crowded] = source.listed[crowded]._replace(boxes=tuple(grid))
    config = replace(IMAGES, composition=Letterbox(canvas=(320, 320), crop=None), views=16)
    make_set(tmp_path / "records", config, source=source)
    manifest = load_manifest(str(tmp_path / "records"))
    assert manifest.statistics.train.boxes * len(manifest.anchors) > 20_000_000
    assert findings(tmp_path / "records") == []
