"""Pascal VOC's XML in the layouts that it comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.source import SourceBox
from beam_jobs.sources.voc.reader import Voc
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import Made, made_set, voc_text, write_image, write_voc
from tests.beam_jobs.sources.reasons import reasons_of

ONE = Made("a.jpg", "train", (50, 90), ((10, 5, 30, 20, "cat"),))
BOX = SourceBox(5, 10, 25, 40, "cat")


def in_folder(folder: Path, **files: Made | str) -> ImageSet:
    """The source of a flat folder: XML files by their names, each with an image beside unless it is text."""
    for name, content in files.items():
        if isinstance(content, Made):
            write_image(folder / f"{name}.jpg")
            content = voc_text(content)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.xml").write_text(content)
    return Voc.prepare(DataPaths(data_dir=str(folder), test_fraction=0.0))


def write_xml(path: Path, filename: str, class_name: str = "cat") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(voc_text(Made(filename, "", (50, 90), ((1, 1, 5, 5, class_name),))))


def prepare(folder: Path) -> ImageSet:
    return Voc.prepare(DataPaths(data_dir=str(folder), test_fraction=0.0))


def test_a_flat_folder(tmp_path: Path) -> None:
    source = in_folder(tmp_path, a=ONE, b=ONE._replace(boxes=((1, 1, 5, 5, "dog"),)))
    assert source.class_names == ("cat", "dog")
    assert [(item.source_id, item.split) for item in source.items()] == [("a.jpg", "train"), ("b.jpg", "train")]
    assert source.items()[0].boxes == (BOX,)


def test_folders_for_splits(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("valid", "a"), ("test", "c")):
        in_folder(tmp_path / split, **{name: ONE})
    source = Voc.prepare(DataPaths(data_dir=str(tmp_path)))
    assert source.has_val
    found = [(item.split, item.source_id) for item in source.items()]
    assert found == [("train", "train/a.jpg"), ("val", "val/a.jpg"), ("test", "c.jpg")]
    assert reasons_of(source) == {}


def test_folders_for_splits_with_two_folders_each(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_image(tmp_path / split / "images/a.jpg")
        (tmp_path / split / "annotations").mkdir()
        (tmp_path / split / "annotations/a.xml").write_text(voc_text(ONE))
    source = Voc.prepare(DataPaths(data_dir=str(tmp_path)))
    assert [(item.split, item.source_id) for item in source.items()] == [
        ("train", "train/a.jpg"),
        ("test", "test/a.jpg"),
    ]
    assert reasons_of(source) == {}


@pytest.mark.parametrize(
    ("xml", "images"), [("Annotations", "JPEGImages"), ("annotations", "images"), ("Annotations", ".")]
)
def test_two_folders_without_lists(xml: str, images: str, tmp_path: Path) -> None:
    write_image(tmp_path / images / "a.jpg")
    (tmp_path / xml).mkdir()
    (tmp_path / xml / "a.xml").write_text(voc_text(ONE))
    assert reasons_of(Voc.prepare(DataPaths(data_dir=str(tmp_path)))) == {}
    paths = DataPaths(annotations=str(tmp_path / xml), images=str(tmp_path / images), test_fraction=0.0)
    source = Voc.prepare(paths)
    assert [item.source_id for item in source.items()] == ["a.jpg"]
    assert reasons_of(source) == {}


def test_lists_choose_and_may_name_trainval_alone(tmp_path: Path) -> None:
    write_voc(tmp_path, made_set())
    lists = tmp_path / "ImageSets/Main"
    (lists / "trainval.txt").write_text("train_0.xml\nval_0.jpg\n\n gone \n../../etc/passwd\n")
    assert len(Voc.prepare(DataPaths(data_dir=str(tmp_path))).items()) == 8
    (lists / "val.txt").rename(lists / "val")  # names of trainval would be left out
    with pytest.raises(UserError, match=r"has train\.txt and trainval\.txt without val\.txt"):
        Voc.prepare(DataPaths(data_dir=str(tmp_path)))
    (lists / "val").rename(lists / "val.txt")
    (lists / "train.txt").unlink()
    source = Voc.prepare(DataPaths(data_dir=str(tmp_path)))
    names = ["train_0.jpg", "val_0.jpg", "gone", "../../etc/passwd", "test_0.jpg", "test_1.jpg"]
    assert [item.source_id for item in source.items()] == names
    assert not source.has_val
    assert reasons_of(source) == {
        "gone": "there is no annotation gone.xml",
        "../../etc/passwd": "there is no annotation ../../etc/passwd.xml",
    }
    (lists / "trainval.txt").unlink()
    with pytest.raises(UserError, match=r"there is neither train\.txt nor trainval\.txt in"):
        Voc.prepare(DataPaths(data_dir=str(tmp_path)))


def test_which_image_an_annotation_belongs_to(tmp_path: Path) -> None:
    """The one of its own name; else the one that it names, with or without extension, whatever the case of that."""
    for name in ("a.JPG", "b.jpeg", "b.png", "Other.PNG", "bare.JPEG", "sub/deep.jpg", "noend"):
        write_image(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.jpg").rename(tmp_path / name)
    named = {
        "a.XML": "wrong.jpg",  # the image a.JPG
        "b.xml": "b.png",  # one of two
        "c.xml": "Other.PNG",
        "d.xml": "bare",
        "sub/e.xml": "deep.jpg",
        "f.xml": "noend",
    }
    for name, file_name in named.items():
        (tmp_path / name).write_text(voc_text(ONE, filename=file_name))
    source = Voc.prepare(DataPaths(data_dir=str(tmp_path), test_fraction=0.0))
    names = ["a.JPG", "b.png", "Other.PNG", "bare.JPEG", "noend", "sub/deep.jpg"]
    assert [item.source_id for item in source.items()] == [*names, "b.jpeg"]
    assert reasons_of(source) == {"b.jpeg": "there is no annotation b.xml"}


def test_xml_without_image_and_image_without_xml(tmp_path: Path) -> None:
    write_image(tmp_path / "alone.jpg")
    (tmp_path / "notes.txt").touch()
    source = in_folder(
        tmp_path,
        a=ONE,
        gone=voc_text(ONE, filename="gone.jpg"),
        nameless=voc_text(ONE, filename=""),
        outside=voc_text(ONE, filename="../set.jpg"),
        broken="<annotation><object>",
    )
    write_image(tmp_path / "broken.jpg")
    assert len(source.items()) == 6
    reasons = reasons_of(source)
    assert reasons["gone.jpg"] == f"{tmp_path}/gone.jpg is missing"
    assert reasons["nameless.xml"] == "nameless.xml has no image: none has its name, and it names none"
    assert "../set.jpg leads out of the image folder" in reasons["../set.jpg"]
    assert reasons["broken.xml"].startswith("broken.xml is not XML that can be used: no element found")
    assert reasons["alone.jpg"] == "there is no annotation alone.xml"
    assert len(reasons) == 5
    assert reasons_of(in_folder(tmp_path))["broken.jpg"] == reasons["broken.xml"]


def test_a_set_without_usable_classes_or_without_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="source voc has no class"):
        in_folder(tmp_path / "a", a="<annotation/>", b=ONE._replace(boxes=()))
    in_folder(tmp_path / "b/test", a=ONE)
    with pytest.raises(UserError, match="there is no folder train next to test"):
        Voc.prepare(DataPaths(data_dir=str(tmp_path / "b")))
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="source voc has no images"):
        Voc.prepare(DataPaths(data_dir=str(tmp_path / "c")))
    with pytest.raises(UserError, match="there is no folder /nowhere"):
        Voc.prepare(DataPaths(annotations="/nowhere", images=str(tmp_path)))


def test_a_data_folder_that_is_not_local_is_refused(tmp_path: Path) -> None:
    """Its lists of names cannot be looked for, and without them test images would be trained on."""
    with pytest.raises(UserError, match="--data_dir must be a local folder for source voc, got gs://bucket/VOC2007"):
        Voc.prepare(DataPaths(data_dir="gs://bucket/VOC2007"))


def test_an_image_with_an_annotation_of_its_own_name_takes_no_other(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_xml(tmp_path / "a.xml", "a.jpg", "zebra")
    for stray, filename in (("b.xml", "a.jpg"), ("c.xml", "a"), ("d/e.xml", "a.jpg")):
        write_xml(tmp_path / stray, filename)
    source = prepare(tmp_path)
    assert source.class_names == ("zebra",)
    assert [item.source_id for item in source.items()] == ["a.jpg", "b.xml", "c.xml", "d/e.xml"]
    reason = "names a.jpg, which a.xml already annotates"
    assert reasons_of(source) == {name: f"{name} {reason}" for name in ("b.xml", "c.xml", "d/e.xml")}


def test_of_two_images_of_one_name_another_annotation_may_name_the_second(tmp_path: Path) -> None:
    for xml, filename in (("a.xml", "a.png"), ("a_2.xml", "a.jpg"), ("a_3.xml", "a.png")):
        write_image(tmp_path / filename)
        write_xml(tmp_path / xml, filename)
    source = prepare(tmp_path)
    assert [item.source_id for item in source.items()] == ["a.png", "a.jpg", "a_3.xml"]
    assert list(reasons_of(source)) == ["a_3.xml"]


@pytest.mark.parametrize("listed", [False, True])
def test_two_annotations_of_one_name(listed: bool, tmp_path: Path) -> None:
    write_image(tmp_path / "JPEGImages/a.jpg")
    for ending in ("xml", "XML", "Xml"):
        write_xml(tmp_path / f"Annotations/a.{ending}", "a.jpg", ending)
    if listed:
        (tmp_path / "ImageSets/Main").mkdir(parents=True)
        (tmp_path / "ImageSets/Main/train.txt").write_text("a\n")
    source = prepare(tmp_path)
    assert source.class_names == ("xml",)
    assert [item.source_id for item in source.items()] == ["a.jpg", "a.Xml", "a.XML"]
    reason = "is left out: a.xml annotates the same image"
    assert reasons_of(source) == {name: f"{name} {reason}" for name in ("a.Xml", "a.XML")}
