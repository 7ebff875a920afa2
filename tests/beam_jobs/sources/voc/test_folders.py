"""Where the splits of a VOC set are found, and what is refused so that no image is lost or trained on by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.voc.reader import Voc
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import Made, voc_text, write_image
from tests.beam_jobs.sources.reasons import reasons_of


def write_pair(folder: Path, image: str, xml: str = "") -> None:
    """An image and its annotation, beside it unless it is named; names are relative to the folder."""
    write_image(folder / image)
    path = folder / (xml or str(Path(image).with_suffix(".xml")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(voc_text(Made(Path(image).name, "", (50, 90), ((10, 5, 30, 20, "cat"),))))


def prepared(folder: Path) -> ImageSet:
    return Voc.prepare(DataPaths(data_dir=str(folder)))


def items_of(folder: Path) -> list[tuple[str, str]]:
    """The split and the id of each image, all of which can be read."""
    source = prepared(folder)
    assert reasons_of(source) == {}
    return [(item.split, item.source_id) for item in source.items()]


def test_split_folders_in_any_case(tmp_path: Path) -> None:
    for folder, name in (("Test", "c"), ("TRAIN", "a"), ("Valid", "b")):
        write_pair(tmp_path, f"{folder}/{name}.jpg")
    assert items_of(tmp_path) == [("train", "a.jpg"), ("val", "b.jpg"), ("test", "c.jpg")]


@pytest.mark.parametrize(("first", "second"), [("Train", "train"), ("val", "Valid")])
def test_two_folders_for_one_split_are_refused(first: str, second: str, tmp_path: Path) -> None:
    for folder in {"train", first, second}:
        write_pair(tmp_path, f"{folder}/{folder}.jpg")
    split = first.lower()
    with pytest.raises(UserError, match=rf"has two folders for {split}, {first} and {second}; join them, or move one$"):
        prepared(tmp_path)


def test_split_folders_inside_the_two_folders(tmp_path: Path) -> None:
    for split, other, name in (("train", "train", "a"), ("Val", "valid", "a"), ("test", "TEST", "c/c")):
        write_pair(tmp_path, f"images/{split}/{name}.jpg", f"annotations/{other}/{name}.xml")
    assert items_of(tmp_path) == [("train", "train/a.jpg"), ("val", "val/a.jpg"), ("test", "c/c.jpg")]
    assert prepared(tmp_path).has_val


def test_a_single_folder_train_inside_the_two_folders_names_no_splits(tmp_path: Path) -> None:
    """The ids, which decide what becomes test, keep the folder's name, and nothing beside it is lost."""
    write_pair(tmp_path, "JPEGImages/train/a.jpg", "Annotations/train/a.xml")
    write_pair(tmp_path, "JPEGImages/extra/b.jpg", "Annotations/extra/b.xml")
    assert {name for _, name in items_of(tmp_path)} == {"train/a.jpg", "extra/b.jpg"}


@pytest.mark.parametrize(
    ("images", "xml", "got"),
    [
        (["train", "test"], ["train"], "train in the first and train, test in the second"),
        (["train"], ["train", "val"], "train, val in the first and train in the second"),
        (["train", "val"], ["."], "none in the first and train, val in the second"),
        (["."], ["train", "test"], "train, test in the first and none in the second"),
    ],
)
def test_the_two_folders_must_hold_the_same_splits(images: list[str], xml: list[str], got: str, tmp_path: Path) -> None:
    for folder in images:
        write_image(tmp_path / "images" / folder / "a.jpg")
    for folder in xml:
        write_pair(tmp_path, "images/a.jpg", f"annotations/{folder}/a.xml")
    why = rf"/annotations and {tmp_path}/images hold different split folders, {got}; name the folders of each"
    with pytest.raises(UserError, match=why):
        prepared(tmp_path)


def test_the_two_folders_must_hold_train(tmp_path: Path) -> None:
    write_pair(tmp_path, "images/test/a.jpg", "annotations/test/a.xml")
    with pytest.raises(UserError, match=r"there is no folder train next to test in .*/annotations'"):
        prepared(tmp_path)


@pytest.mark.parametrize(
    ("folder", "xml"), [("images", "images"), ("data", "data"), ("JPEGImages/site", "Annotations/site")]
)
def test_splits_where_none_are_looked_for_are_refused(folder: str, xml: str, tmp_path: Path) -> None:
    for split in ("train", "Test"):
        write_pair(tmp_path, f"{folder}/{split}/{split}.jpg", f"{xml}/{split}/{split}.xml")
    why = rf"{tmp_path}/{xml}/Test/Test\.(jpg|xml) would be taken for training, .*; name the folders of each split with"
    with pytest.raises(UserError, match=why):
        prepared(tmp_path)
    paths = DataPaths(annotations=str(tmp_path / xml / "train"), images=str(tmp_path / folder / "train"))
    assert [item.source_id for item in Voc.prepare(paths).items()] == ["train.jpg"]


def write_lists(folder: Path, **images: str) -> None:
    """A set in the published layout, with a list of one image for each name."""
    (folder / "ImageSets/Main").mkdir(parents=True)
    for name, image in images.items():
        write_pair(folder, f"JPEGImages/{image}.jpg", f"Annotations/{image}.xml")
        (folder / f"ImageSets/Main/{name}.txt").write_text(f"{image}\n")


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Train", "validation", "TEST")])
def test_lists_have_the_same_words_as_folders(names: tuple[str, str, str], tmp_path: Path) -> None:
    write_lists(tmp_path, **dict(zip(names, "abc", strict=True)), cat_train="d")
    assert items_of(tmp_path) == [("train", "a.jpg"), ("val", "b.jpg"), ("test", "c.jpg")]


def test_lists_directly_in_their_folder(tmp_path: Path) -> None:
    """They were not seen, and the test images were trained on."""
    write_lists(tmp_path, train="a", test="b")
    for name in ("train.txt", "test.txt"):
        (tmp_path / "ImageSets/Main" / name).rename(tmp_path / "ImageSets" / name)
    (tmp_path / "ImageSets/Main").rmdir()
    assert items_of(tmp_path) == [("train", "a.jpg"), ("test", "b.jpg")]


def test_a_folder_above_the_set_is_told(tmp_path: Path) -> None:
    write_lists(tmp_path / "VOC2007", train="a", test="b")
    with pytest.raises(
        UserError, match=r"neither Annotations nor an XML file in '\S+'; the set may be its folder VOC2007$"
    ):
        prepared(tmp_path)


def test_trainval_in_capitals(tmp_path: Path) -> None:
    write_lists(tmp_path, TrainVal="a", Val="a", test="b")
    assert items_of(tmp_path) == [("train", "a.jpg"), ("test", "b.jpg")]


def test_two_lists_for_one_split_are_refused(tmp_path: Path) -> None:
    write_lists(tmp_path, train="a", valid="b", val="c")
    why = r"/ImageSets/Main' has two lists for val, val\.txt and valid\.txt; join them, or move one$"
    with pytest.raises(UserError, match=why):
        prepared(tmp_path)


@pytest.mark.parametrize("beside", ["extra/b.jpg", "extra/sub/b.xml", "Annotations/b.xml", "b.xml", "b.JPG"])
def test_what_lies_beside_the_splits_is_not_left_out(beside: str, tmp_path: Path) -> None:
    for split in ("Train", "test"):
        write_pair(tmp_path, f"{split}/{split}.jpg")
    for ignored in ("docs/.hidden/c.jpg", ".cache/c.jpg"):
        write_image(tmp_path / ignored)
    (tmp_path / "README.txt").touch()
    assert len(items_of(tmp_path)) == 2
    (tmp_path / beside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / beside).touch()
    name = beside.split("/")[0]
    why = rf"^{name} beside Train in '.*' belongs to no split; move it"
    with pytest.raises(UserError, match=why):
        prepared(tmp_path)


@pytest.mark.parametrize(
    "beside", ["images/extra/b.jpg", "images/b.jpg", "annotations/extra/b.xml", "annotations/b.xml"]
)
def test_what_lies_beside_the_splits_inside_is_not_left_out(beside: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_pair(tmp_path, f"images/{split}/{split}.jpg", f"annotations/{split}/{split}.xml")
    assert len(items_of(tmp_path)) == 2
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).touch()
    folder, name = beside.split("/")[:2]
    with pytest.raises(UserError, match=rf"^{name} beside train in '.*/{folder}' belongs to no split; move"):
        prepared(tmp_path)
