"""Where the splits of a VOC set are found, and what is refused so that no picture is lost or trained on by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.picture_set import PictureSet
from beam_jobs.sources.voc import Voc
from pipeline.errors import UserError
from tests.beam_jobs.sources.detection_sets import Made, voc_text, write_picture
from tests.beam_jobs.sources.reasons import reasons_of


def write_pair(folder: Path, picture: str, xml: str = "") -> None:
    """A picture and its annotation, beside it unless it is named; names are relative to the folder."""
    write_picture(folder / picture)
    path = folder / (xml or str(Path(picture).with_suffix(".xml")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(voc_text(Made(Path(picture).name, "", (50, 90), ((10, 5, 30, 20, "cat"),))))


def prepared(folder: Path) -> PictureSet:
    return Voc.prepare(DataPaths(data_dir=str(folder)))


def items_of(folder: Path) -> list[tuple[str, str]]:
    """The split and the id of each picture, all of which can be read."""
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
    with pytest.raises(UserError, match=rf"--data_dir must hold one folder for {split}, got {first} and {second} in"):
        prepared(tmp_path)
