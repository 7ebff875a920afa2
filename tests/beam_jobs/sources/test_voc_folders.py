"""Which image an XML file takes where names clash: none takes another's, and none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.voc import Voc
from tests.beam_jobs.sources.detection_sets import Made, voc_text, write_image
from tests.beam_jobs.sources.reasons import reasons_of


def write_xml(path: Path, filename: str, class_name: str = "cat") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(voc_text(Made(filename, "", (50, 90), ((1, 1, 5, 5, class_name),))))


def prepared(folder: Path) -> ImageSet:
    return Voc.prepare(DataPaths(data_dir=str(folder), test_fraction=0.0))


def test_a_image_with_an_annotation_of_its_own_name_takes_no_other(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    write_xml(tmp_path / "a.xml", "a.jpg", "zebra")
    for stray, filename in (("b.xml", "a.jpg"), ("c.xml", "a"), ("d/e.xml", "a.jpg")):
        write_xml(tmp_path / stray, filename)
    source = prepared(tmp_path)
    assert source.class_names == ("zebra",)
    assert [item.source_id for item in source.items()] == ["a.jpg", "b.xml", "c.xml", "d/e.xml"]
    reason = "must have an image of its own, got only a.jpg, which it names and which has a.xml"
    assert reasons_of(source) == {name: f"{name} {reason}" for name in ("b.xml", "c.xml", "d/e.xml")}


def test_of_two_images_of_one_name_another_annotation_may_name_the_second(tmp_path: Path) -> None:
    for xml, filename in (("a.xml", "a.png"), ("a_2.xml", "a.jpg"), ("a_3.xml", "a.png")):
        write_image(tmp_path / filename)
        write_xml(tmp_path / xml, filename)
    source = prepared(tmp_path)
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
    source = prepared(tmp_path)
    assert source.class_names == ("xml",)
    assert [item.source_id for item in source.items()] == ["a.jpg", "a.Xml", "a.XML"]
    reason = "must be the only annotation of its name, got a.xml too"
    assert reasons_of(source) == {name: f"{name} {reason}" for name in ("a.Xml", "a.XML")}
