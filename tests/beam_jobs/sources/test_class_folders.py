"""Class-named folders: images with a label, to be placed on canvases."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Source
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import write_image
from tests.beam_jobs.sources.reasons import reasons_of


def prepared(folder: Path, *images: str, fraction: float | None = None) -> Source:
    for name in images:
        write_image(folder / name)
    return make_source("folder", DataPaths(data_dir=str(folder), test_fraction=fraction))


def items_of(source: Source) -> list[tuple[str, str, int | None]]:
    assert all(item.boxes is None for item in source.items())
    return [(item.split, item.source_id, item.label) for item in source.items()]


def test_folders_are_classes(tmp_path: Path) -> None:
    (tmp_path / "ant").mkdir()
    (tmp_path / ".git").mkdir()
    source = prepared(tmp_path, "dog/a.jpg", "cat/sub/a.PNG", "cat/b.jpg", fraction=0.0)
    assert (source.class_names, source.category_ids, source.has_val) == (("ant", "cat", "dog"), None, False)
    assert items_of(source) == [("train", "cat/b.jpg", 1), ("train", "cat/sub/a.PNG", 1), ("train", "dog/a.jpg", 2)]
    assert reasons_of(source) == {}
    assert source.shape(next(iter(source.items())).reference) == (50, 90)


def test_folders_of_splits(tmp_path: Path) -> None:
    source = prepared(tmp_path, "train/cat/a.jpg", "valid/dog/b.jpg", "test/cat/a.jpg", "test/owl/c.jpg")
    assert (source.class_names, source.has_val) == (("cat", "dog", "owl"), True)
    assert items_of(source) == [
        ("train", "train/cat/a.jpg", 0),
        ("val", "dog/b.jpg", 1),
        ("test", "test/cat/a.jpg", 0),
        ("test", "owl/c.jpg", 2),
    ]
    write_image(tmp_path / "cat/d.jpg")
    with pytest.raises(UserError, match="holds cat beside the split train: move one of them, because a set has either"):
        prepared(tmp_path)
    shutil.rmtree(tmp_path / "cat")
    with pytest.raises(UserError, match=r"holds d\.JPG beside the split train: move one"):
        prepared(tmp_path, "d.JPG")


def test_folders_of_splits_in_any_case(tmp_path: Path) -> None:
    source = prepared(tmp_path, "Train/cat/a.jpg", "TEST/cat/b.jpg", "Validation/cat/c.jpg")
    assert source.class_names == ("cat",)
    assert items_of(source) == [("train", "cat/a.jpg", 0), ("val", "cat/c.jpg", 0), ("test", "cat/b.jpg", 0)]
    with pytest.raises(UserError, match="holds owl beside the split Train: move one of them"):
        prepared(tmp_path, "owl/d.jpg")
    with pytest.raises(UserError, match="has two folders for train, Train and train; join them"):
        prepared(tmp_path, "train/cat/e.jpg")


def test_a_split_of_test_images_is_not_a_class(tmp_path: Path) -> None:
    """`Training` and `Test` were two classes, and the test images were trained on."""
    with pytest.raises(UserError, match=r"^there is no folder train next to Test in .*: nothing would be trained on$"):
        prepared(tmp_path, "Training/cat/a.jpg", "Test/cat/b.jpg")
    assert prepared(tmp_path / "classes", "cat/a.jpg", "test/b.jpg").class_names == ("cat", "test")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    source = prepared(tmp_path, "train/a.jpg", "car/b.jpg", fraction=0.0)
    assert items_of(source) == [("train", "car/b.jpg", 0), ("train", "train/a.jpg", 1)]


def test_images_in_no_class_are_rejected_by_name(tmp_path: Path) -> None:
    source = prepared(tmp_path, "a.jpg", "cat/b.jpg", fraction=0.0)
    (tmp_path / "notes.txt").touch()
    assert reasons_of(source) == {"a.jpg": "lies in no class's folder; move it into one"}


def test_what_is_not_taken_is_rejected_by_name(tmp_path: Path) -> None:
    source = prepared(tmp_path / "set", "cat/a.jpg", "cat/b.jfif")
    (tmp_path / "set/cat/c.tif").write_bytes(b"II*\0")
    (tmp_path / "dogs").mkdir()
    (tmp_path / "set/dog").symlink_to(tmp_path / "dogs")
    source = prepared(tmp_path / "set")
    assert [item.source_id for item in source.items()] == ["cat/a.jpg", "cat/b.jfif", "cat/c.tif", "dog"]
    reasons = reasons_of(source)
    assert reasons["dog"] == "is a symbolic link to a folder; such links are not followed"
    assert "is no image (JPEG, PNG, BMP, WEBP)" in reasons["cat/c.tif"]
    assert set(reasons) == {"dog", "cat/c.tif"}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    source = prepared(tmp_path, "cat/a.jpg", fraction=0.0)
    os.rename(os.fsencode(tmp_path / "cat/a.jpg"), os.fsencode(tmp_path / "cat") + b"/\xff.jpg")
    prepared(tmp_path, "cat/b.jpg")
    source = prepared(tmp_path, fraction=0.0)
    assert reasons_of(source) == {"cat/\\udcff.jpg": "must have a name in UTF-8, got 'cat/\\udcff.jpg'"}
    source.fingerprint()
    os.mkdir(os.fsencode(tmp_path) + b"/\xfe")
    with pytest.raises(UserError, match="names of classes must be printable"):
        prepared(tmp_path)


def test_the_fingerprint_changes_with_a_class(tmp_path: Path) -> None:
    before = prepared(tmp_path, "cat/a.jpg", "cat/b.jpg").fingerprint()
    (tmp_path / "dog").mkdir()
    assert prepared(tmp_path).fingerprint() != before


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--data_dir must be given for source folder"):
        make_source("folder")
    with pytest.raises(UserError, match="source folder has no images"):
        prepared(tmp_path)
    with pytest.raises(UserError, match="--images must be left out for source folder"):
        make_source("folder", DataPaths(data_dir=str(tmp_path), images="a"))
    with pytest.raises(UserError, match="--images must be left out for source digits"):
        make_source("digits", DataPaths(images="a"))
