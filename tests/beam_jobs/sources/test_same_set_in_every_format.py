"""The same set in COCO's, VOC's, YOLO's and JSON lines' form gives the same items, and holds what any source must."""

from __future__ import annotations

import dataclasses
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.boxes import select_usable_boxes
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Source
from pipeline.errors import UserError
from pipeline.records.record import Record
from tests.beam_jobs.record_job import IMAGES, make_set, read_shards
from tests.beam_jobs.sources.detection_sets import CATEGORY_IDS, CLASSES, WRITERS, Made, made_set
from tests.beam_jobs.sources.reasons import reason_against

FORMATS = pytest.mark.parametrize("name", WRITERS)


def written(name: str, folder: Path, **splits: int) -> DataPaths:
    return WRITERS[name](folder, made_set(**splits))


@FORMATS
def test_the_items_are_those_of_the_set(name: str, tmp_path: Path) -> None:
    source = make_source(name, written(name, tmp_path))
    assert source.class_names == CLASSES
    assert source.has_val
    assert source.category_ids == {"coco": CATEGORY_IDS, "yolo": (0, 1, 2)}.get(name)
    items = list(source.items())
    for item, made in zip(items, made_set(), strict=True):
        assert (item.split, item.source_id, item.label) == (made.split, made.name, None)
        assert source.shape(item.reference) == made.shape
        assert source.read(item.reference).shape == (*made.shape, 3)
        assert item.boxes is not None
        truth, _, reasons = select_usable_boxes(item.boxes, made.shape, source.class_names)
        wanted = np.array([(y, x, y + h, x + w) for x, y, w, h, _ in made.boxes]).reshape(-1, 4)
        np.testing.assert_allclose(truth.corners, wanted, rtol=0, atol=2e-4 if name == "yolo" else 0)
        assert truth.labels.tolist() == [CLASSES.index(box[4]) for box in made.boxes]
        assert reasons == []
    assert [item.image_id for item in items][:2] == (["10", "11"] if name == "coco" else [None, None])


def in_round_numbers(image: Made) -> Made:
    """The image in a size that gives YOLO's labels few decimals: the millionth of a pixel can decide a tie."""
    boxes = tuple((x, y, min(w, 80 - x), min(h, 50 - y), name) for x, y, w, h, name in image.boxes)
    return image._replace(shape=(50, 80), boxes=boxes)


def test_the_records_are_equal(tmp_path: Path) -> None:
    """Pixels, views, boxes and targets."""
    made: dict[str, dict[str, Record]] = {}
    for name in WRITERS:
        images = [in_round_numbers(image) for image in made_set(train=12)]
        source = make_source(name, WRITERS[name](tmp_path / name, images))
        make_set(tmp_path / "records" / name, IMAGES, source=source)
        made[name] = {record.key: record for _, _, record in read_shards(tmp_path / "records" / name)}
    wanted = made.pop("coco")
    assert sum(len(record.views) for record in wanted.values()) == 12 * 4 + 4
    for name, records in made.items():
        assert list(records) == list(wanted)
        for key, record in records.items():
            assert (record.encoded, record.format) == (wanted[key].encoded, wanted[key].format)
            for view, expected in zip(record.views, wanted[key].views, strict=True):
                assert view.view == expected.view
                arrays, others = ((v.boxes, v.labels, *dataclasses.astuple(v.targets)) for v in (view, expected))
                for array, other in zip(arrays, others, strict=True):
                    np.testing.assert_allclose(array, other, rtol=0, atol=1e-6 if name == "yolo" else 0)


@FORMATS
def test_a_source_reaches_a_worker_as_paths(name: str, tmp_path: Path) -> None:
    source = make_source(name, written(name, tmp_path, train=200))
    items, fingerprint = list(source.items()), source.fingerprint()
    data = pickle.dumps(source)
    assert len(data) < 4_000
    there: Source = pickle.loads(data)
    assert there == source
    assert list(there.items()) == items
    assert there.fingerprint() == fingerprint


@FORMATS
def test_without_a_test_split_one_is_chosen_by_hash(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path, train=300, val=0, test=0)
    source = make_source(name, paths)
    assert not source.has_val
    ids = {item.source_id for item in source.items() if item.split == "test"}
    assert 15 <= len(ids) <= 45
    fewer = make_source(name, dataclasses.replace(paths, test_fraction=0.05))
    assert {item.source_id for item in fewer.items() if item.split == "test"} < ids
    none = make_source(name, dataclasses.replace(paths, test_fraction=0.0))
    assert {item.split for item in none.items()} == {"train"}
    assert len({s.fingerprint() for s in (source, fewer, none)}) == 3


@FORMATS
def test_a_fraction_beside_a_test_split_is_refused(name: str, tmp_path: Path) -> None:
    paths = dataclasses.replace(written(name, tmp_path), test_fraction=0.2)
    with pytest.raises(UserError, match="--test_fraction must be left out: the source has a test split of its own"):
        make_source(name, paths)


@FORMATS
def test_the_fingerprint_does_not_depend_on_the_place(name: str, tmp_path: Path) -> None:
    here = make_source(name, written(name, tmp_path / "here")).fingerprint()
    assert make_source(name, written(name, tmp_path / "there")).fingerprint() == here


def an_image(folder: Path) -> Path:
    return next(folder.rglob("train_2.jpg"))


@FORMATS
def test_the_fingerprint_is_of_annotations_and_of_names_and_sizes_of_images(name: str, tmp_path: Path) -> None:
    source = make_source(name, written(name, tmp_path))
    before, with_content = source.fingerprint(), source.fingerprint(check="content")
    image = an_image(tmp_path)
    whole = image.read_bytes()

    image.write_bytes(whole[:-3] + b"abc")
    assert source.fingerprint() == before
    assert source.fingerprint(check="content") != with_content
    image.write_bytes(whole + b"x")
    assert source.fingerprint() != before
    image.unlink()
    without = source.fingerprint()
    assert without != before
    image.write_bytes(whole)
    assert (source.fingerprint(), source.fingerprint(check="content")) == (before, with_content)
    (image.parent / ".DS_Store").touch()
    (image.parent / "notes.md").touch()
    assert source.fingerprint() == before


@FORMATS
def test_the_fingerprint_changes_with_an_annotation(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path)
    before = make_source(name, paths).fingerprint()
    annotation = next(p for p in sorted(tmp_path.rglob("*")) if p.suffix in (".json", ".jsonl", ".xml", ".txt"))
    annotation.write_bytes(annotation.read_bytes() + (b"{}\n" if name == "jsonl" else b"\n"))
    assert make_source(name, paths).fingerprint() != before


@FORMATS
def test_a_missing_image_is_an_item_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path)
    image = an_image(tmp_path)
    image.unlink()
    source = make_source(name, paths)
    items = list(source.items())
    assert len(items) == 8
    bad = {item.source_id: reason for item in items if (reason := reason_against(source, item.reference))}
    assert len(bad) == 1
    ((source_id, reason),) = bad.items()
    assert source_id == ("train_2.txt" if name == "yolo" else "train_2.jpg")
    assert reason.endswith("is missing") or reason.endswith("labels no image: there is none of that name")


@FORMATS
def test_a_folder_without_any_of_the_images_is_refused(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path)
    for image in tmp_path.rglob("*.jpg"):
        image.rename(image.with_suffix(".gone"))
    why = r"no image can be used: looked at 8 images, such as train_0\.txt: .* labels no image: there is none .*"
    if name != "yolo":  # whose images are what is listed
        why = r"no image is there: looked for 8 images, such as .*train_0\.jpg"
    with pytest.raises(UserError, match=rf"^{why}$"):
        make_source(name, paths)


@FORMATS
def test_a_symbolic_link_out_of_the_folder_is_not_read(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path / "set")
    image = an_image(tmp_path / "set")
    shutil.move(image, tmp_path / "outside.jpg")
    image.symlink_to(tmp_path / "outside.jpg")
    source = make_source(name, paths)
    (item,) = [item for item in source.items() if item.source_id == "train_2.jpg"]
    assert "train_2.jpg is a symbolic link that leads out of the image folder" in (
        reason_against(source, item.reference) or ""
    )
    assert sum(reason_against(source, item.reference) is not None for item in source.items()) == 1

    image.unlink()  # a link inside is fine
    shutil.move(tmp_path / "outside.jpg", image.with_name("elsewhere.jpeg"))
    image.symlink_to("elsewhere.jpeg")
    assert reason_against(source, item.reference) is None


@FORMATS
def test_the_image_folder_may_itself_be_a_link(name: str, tmp_path: Path) -> None:
    paths = written(name, tmp_path / "set")
    os.symlink(tmp_path / "set", tmp_path / "link")
    moved = {
        field: value.replace(str(tmp_path / "set"), str(tmp_path / "link"))
        for field, value in vars(paths).items()
        if value
    }
    source = make_source(name, DataPaths(**moved))
    assert all(reason_against(source, item.reference) is None for item in source.items())
