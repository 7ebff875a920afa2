"""What formats with boxes share: notes on images of another size than declared, and ids that differ."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from beam_jobs.sources.coco.reader import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import refer_to_fault
from beam_jobs.sources.image_set import ImageSet, make_ids_unique, parse_declared_size
from beam_jobs.sources.source import Item
from beam_jobs.sources.voc.xml_file import parse_voc
from tests.beam_jobs.sources.detection_sets import coco_content, made_set, write_image

MADE = made_set(train=4, val=0, test=0)


def prepared(folder: Path, *, declared: dict[str, tuple[int, int]]) -> ImageSet:
    """Four images, of which some are declared with a height and a width."""
    content = coco_content(MADE)
    for row, image in zip(content["images"], MADE, strict=True):
        write_image(folder / image.name, image.shape)
        row["height"], row["width"] = declared.get(image.name, (0, 0))
    (folder / "train.json").write_text(json.dumps(content))
    return Coco.prepare(DataPaths(annotations=str(folder / "train.json"), images=str(folder)))


def test_other_sizes_are_counted_and_one_is_shown(tmp_path: Path) -> None:
    sizes = {image.name: image.shape for image in MADE}
    assert prepared(tmp_path, declared=sizes).notes() == []
    (line,) = prepared(tmp_path, declared=sizes | {"train_2.jpg": (104, 176)}).notes()
    assert line.startswith("note: 1 of 4 images looked at have another size than the annotations say, such as ")
    assert "train_2.jpg: 88 x 52 pixels (upright), not 176 x 104. Boxes are taken as pixels of the upright" in line


def test_a_image_that_exif_turns_differs_from_its_stored_size(tmp_path: Path) -> None:
    source = prepared(tmp_path, declared={"train_0.jpg": (50, 90)})
    assert source.notes() == []
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    Image.open(tmp_path / "train_0.jpg").save(tmp_path / "train_0.jpg", exif=exif)
    (line,) = source.notes()
    assert "1 of 1 image looked" in line and "train_0.jpg: 50 x 90 pixels (upright), not 90 x 50" in line


def test_the_size_of_voc(tmp_path: Path) -> None:
    def size(height: str, width: str) -> tuple[int, int] | None:
        return parse_voc(
            f"<annotation><size><height>{height}</height><width>{width}</width></size></annotation>".encode()
        ).declared

    assert size("50", " 90 ") == (50, 90)
    assert {size("0", "0"), size("", "90"), size("50.5", "90"), size("-5", "9"), size("9" * 20, "9")} == {None}


def test_sizes_that_nobody_knows_and_missing_images_are_left_out(tmp_path: Path) -> None:
    assert prepared(tmp_path, declared={}).notes() == []
    source = prepared(tmp_path, declared={image.name: (1, 1) for image in MADE})
    for image in MADE[1:]:
        (tmp_path / image.name).unlink()
    (line,) = source.notes()
    assert line.startswith("note: 1 of 4 images looked at")
    assert parse_declared_size(50, 90) == (50, 90)
    assert {
        parse_declared_size(*size) for size in ((0, 90), ("50", 90), (True, 9), (5.0, 9), (None, None), (3, -1))
    } == {None}


def ids(items: list[tuple[str, str, str]], *folders: str) -> list[str]:
    return [item.source_id for item in make_ids_unique([Item(*item) for item in items], folders)]


def test_names_that_are_unique_stay() -> None:
    assert ids([("train", "a.jpg", "0:a.jpg"), ("test", "b.jpg", "1:b.jpg")], "/x/one", "/x/two") == ["a.jpg", "b.jpg"]


def test_splits_then_folders_tell_names_apart() -> None:
    items = [("train", "a", "0:a"), ("train", "a", "1:a"), ("test", "a", "2:a"), ("train", "b", "0:b")]
    wanted = ["one/train/a", "two/deep/train/a", "test/a", "b"]
    assert ids(items, "/x/one", "/x/two/deep", "/x/one") == wanted
    assert ids(items, "/elsewhere/one", "/elsewhere/two/deep", "/elsewhere/one") == wanted
    assert ids(items, "gs://x/one", "/y", "/x")[:3] == ["gs://x/one/train/a", "/y/train/a", "test/a"]


def test_a_name_with_a_prefix_is_not_that_of_another_image() -> None:
    """`train/a` was one of two images then, and the job rejected the other as listed twice."""
    items = [("train", "a", "0:a"), ("train", "train/a", "0:train/a"), ("test", "a", "0:a"), ("test", "b", "0:b")]
    assert ids(items, "/x") == ["train/a", "train/train/a", "test/a", "b"]


def test_one_image_listed_twice_keeps_its_id_and_odd_names_are_escaped() -> None:
    fault = refer_to_fault("must be another")
    items = [("train", "a", "0:a"), ("train", "a", "0:a"), ("test", "b\n\udcff", fault), ("test", "é b", "0:é b")]
    assert ids(items, "/x") == ["a", "a", "b\\n\\udcff", "é b"]
