"""What COCO files may hold, and where they may lie."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from beam_jobs.sources.boxes import select_usable_boxes
from beam_jobs.sources.coco.reader import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Item, SourceBox
from pipeline.errors import UserError
from pipeline.records.keys import parse_image_id
from tests.beam_jobs.sources.coco.coco_sets import MADE, prepared
from tests.beam_jobs.sources.detection_sets import coco_content, write_coco, write_image
from tests.beam_jobs.sources.reasons import reasons_of


def boxes_of(item: Item) -> tuple[SourceBox, ...]:
    assert item.boxes is not None
    return item.boxes


def test_crowds_and_areas_are_passed_on(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0] |= {"iscrowd": 1, "area": 12.25}
    content["annotations"][1] |= {"area": "large"}
    del content["annotations"][2]["iscrowd"], content["annotations"][2]["area"]
    first, second, third = [box for item in prepared(tmp_path, content).items() for box in boxes_of(item)][:3]
    assert (first.crowd, first.area, first.fault) == (True, 12.25, None)
    assert (second.crowd, second.area, second.fault) == (False, None, None)
    assert (third.crowd, third.area, third.fault) == (False, None, None)


def test_sides_are_exact(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0]["bbox"] = [0.1, 0.2, 30.3, 20.4]
    box = boxes_of(prepared(tmp_path, content).items()[0])[0]
    assert box[:4] == (0.2, 0.1, 0.2 + 20.4, 0.1 + 30.3)


def test_numbers_that_json_lacks_count_as_missing(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0]["area"] = math.nan
    assert b"NaN" in json.dumps(content).encode()
    assert boxes_of(prepared(tmp_path, content).items()[0])[0].area is None


def test_an_image_without_a_name_is_rejected_once_with_its_boxes(tmp_path: Path) -> None:
    content = coco_content(MADE)
    number = next(
        n for n, image in enumerate(content["images"]) if image["id"] == content["annotations"][0]["image_id"]
    )
    del content["images"][number]["file_name"]
    source = prepared(tmp_path, content)
    assert len(source.items()) == len(MADE)
    assert list(reasons_of(source).values()) == [f"image {number} of train.json must have a `file_name`, got None"]


@pytest.mark.parametrize(
    ("value", "crowd"),
    [(0, False), (1, True), (True, True), ("0", False), ("1", True), (None, False), ("true", True), (1.0, True)],
)
def test_crowds_said_in_other_ways(value: object, crowd: bool, tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0]["iscrowd"] = value
    box = boxes_of(prepared(tmp_path, content).items()[0])[0]
    assert (box.crowd, box.fault) == (crowd, None)


@pytest.mark.parametrize("value", [2, "maybe", [], 0.5])
def test_a_crowd_that_says_neither_yes_nor_no_is_a_fault(value: object, tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0]["iscrowd"] = value
    box = boxes_of(prepared(tmp_path, content).items()[0])[0]
    assert box.fault == f"must have 0 or 1 as `iscrowd`, got {value!r}"


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    """One of them would have been left out."""
    for name in ("train", "val", "valid"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "_annotations.coco.json").write_text(json.dumps(coco_content(MADE)))
    with pytest.raises(UserError, match="has two folders for val, val and valid; join them"):
        Coco.prepare(DataPaths(data_dir=str(tmp_path)))


def test_a_set_whose_names_all_lead_out_is_refused_before_the_job(tmp_path: Path) -> None:
    content = coco_content(MADE)
    for image in content["images"]:
        image["file_name"] = f"/elsewhere/{image['file_name']}"
    with pytest.raises(
        UserError, match=r"^no image can be used: looked at 4 images, such as .* leads out of the image"
    ):
        prepared(tmp_path, content)


def test_ids_are_made_unique_where_splits_share_names(tmp_path: Path) -> None:
    write_image(tmp_path / "other/train_1.jpg")
    (tmp_path / "test.json").write_text(json.dumps(coco_content([MADE[1]])))
    flags = {"test_annotations": str(tmp_path / "test.json"), "test_images": str(tmp_path / "other")}
    source = prepared(tmp_path, coco_content(MADE), test_fraction=None, **flags)
    names = ["train_0.jpg", "train/train_1.jpg", "train_2.jpg", "train_3.jpg", "test/train_1.jpg"]
    assert [item.source_id for item in source.items()] == names
    assert source.shape(source.items()[-1].reference) == (50, 90)
    assert reasons_of(source) == {}


def test_ids_of_images_keep_their_type(tmp_path: Path) -> None:
    content = coco_content(MADE)
    renamed = {image["id"]: new for image, new in zip(content["images"], [3, "3", "03", -1], strict=True)}
    for image in content["images"]:
        image["id"] = renamed[image["id"]]
    for annotation in content["annotations"]:
        annotation["image_id"] = renamed[annotation["image_id"]]
    source = prepared(tmp_path, content)
    assert [parse_image_id(item.image_id or "") for item in source.items()] == [3, "3", "03", -1]
    assert reasons_of(source) == {}


def test_images_beside_their_annotations_need_no_folder(tmp_path: Path) -> None:
    write_coco(tmp_path, MADE)
    path = DataPaths(annotations=str(tmp_path / "train/_annotations.coco.json"), test_fraction=0.0)
    assert reasons_of(Coco.prepare(path)) == {}


def test_names_in_subfolders_and_a_byte_order_mark(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["images"][0]["file_name"] = "sub/ä b.jpg"
    write_image(tmp_path / "images/sub/ä b.jpg")
    source = prepared(tmp_path, b"\xef\xbb\xbf" + json.dumps(content).encode())
    assert source.items()[0].source_id == "sub/ä b.jpg"
    assert reasons_of(source) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, 3]}, "must have four numbers as `bbox`, got [1, 2, 3]"),
        ({"bbox": None}, "must have four numbers as `bbox`, got None"),
        ({"bbox": [1, 2, "3", 4]}, "must have four numbers as `bbox`"),
        ({"bbox": [1, 2, True, 4]}, "must have four numbers as `bbox`"),
        ({"bbox": [10**400, 0.5, 3, 4]}, "must have finite sides"),
        ({"bbox": [0.5, 10**400, 3, 4.5]}, "must have four numbers as `bbox`"),
        ({"bbox": [1, 2, 0, 4]}, "must have an area"),
        ({"bbox": [1, 2, 3, -4]}, "must have an area"),
        ({"bbox": [1, 2, 900, 4]}, "must lie inside 90 x 50 pixels"),
        ({"category_id": 4}, "must be of a known category, got 4"),
        ({"category_id": "cat"}, "must be of a known category, got 'cat'"),
        ({"category_id": True}, "must be of a known category, got True"),
    ],
)
def test_a_broken_box_has_its_reason(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["annotations"][0] |= change
    source = prepared(tmp_path, content)
    truth, _, reasons = select_usable_boxes(boxes_of(source.items()[0]), (50, 90), source.class_names)
    assert len(truth) == 0
    assert len(reasons) == 1 and reasons[0].startswith(f"box 0 {reason}")


def test_broken_images_and_lost_annotations_are_items_with_reasons(tmp_path: Path) -> None:
    content = coco_content(MADE)
    first = content["annotations"][0]
    content["images"] += [
        {"id": 10, "file_name": "train_3.jpg"},
        {"id": 20},
        {"file_name": "train_3.jpg"},
        7,
        {"id": 21, "file_name": "../train.json"},
        {"id": 22, "file_name": "/etc/passwd"},
        {"id": 23, "file_name": "a\0b"},
        {"id": 24, "file_name": "x" * 5000},
        {"id": 25, "file_name": "gone.jpg"},
        {"id": 26, "file_name": "sub/../train_0.jpg"},
        {"id": 27, "file_name": "gs://elsewhere/a.jpg"},
    ]
    content["annotations"] += [dict(first, image_id=99), dict(first, image_id=99), dict(first, image_id=None), "x"]
    last = len(content["annotations"]) - 1
    source = prepared(tmp_path, content)
    reasons = reasons_of(source)
    assert len(source.items()) == 4 + 11 + 3
    assert {name: reason for name, reason in reasons.items() if name.startswith("train.json")} == {
        "train.json image 4": "image 4 of train.json has the `id` 10, which an image before it has",
        "train.json image 5": "image 5 of train.json must have a `file_name`, got None",
        "train.json image 6": "image 6 of train.json must have an integer or a string as `id`, got None",
        "train.json image 7": "image 7 of train.json must be an object, got 7",
        "train.json image id 99": "image 99 has 2 annotations in train.json, but is not among its images",
        f"train.json annotation {last - 1}": reasons[f"train.json annotation {last - 1}"],
        f"train.json annotation {last}": (
            f"annotation {last} of train.json must be an object with an `image_id`, got 'x'"
        ),
    }
    folder = str(tmp_path / "images")
    for name in ("../train.json", "/etc/passwd", "sub/../train_0.jpg", "gs://elsewhere/a.jpg"):
        assert reasons[name] == f"{name} leads out of the image folder {folder}"
    assert reasons["gone.jpg"] == f"{folder}/gone.jpg is missing"
    assert set(reasons) == {item.source_id for item in source.items()[4:]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON of this format: Input data was truncated"),
        (b"[1]", r"is not JSON of this format: Expected `object`, got `array`"),
        (b'{"images": 3}', "is not JSON of this format"),
        (b"[" * 100_000, "is not JSON of this format"),
        (b'{"images": []}', "source coco has no images: there are none in"),
        (
            b'{"images": [{"id": 1, "file_name": "train_0.jpg"}]}',
            "source coco has no class: no object in its",
        ),
        (
            b'{"images": [], "categories": [{"id": "1", "name": "a"}]}',
            "categories must be objects with an integer `id`",
        ),
        (
            b'{"images": [], "categories": [{"id": 1}], "annotations": [{"category_id": 1}]}',
            "the name of category 1 must be a string, got None",
        ),
        (
            b'{"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}],'
            b' "annotations": [{"category_id": 1}]}',
            "the name of category 1 must be 'a' as before, got 'b'; number the categories of all files",
        ),
        (
            b'{"images": [{"id": 1}, 7]}',
            "no object in its annotations can be used; the first fault in them: "
            "image 0 of train.json must have a `file_name`, got None",
        ),
        (
            b'{"images": [{"id": 1, "file_name": "train_0.jpg"}], "categories": [{"id": 1, "name": "a\\u0007b"}],'
            b' "annotations": [{"image_id": 1, "category_id": 1}]}',
            "names of classes must be printable",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        prepared(tmp_path, content)
    assert "\n" not in str(error.value)


def test_missing_files_and_flags_that_do_not_go_together(tmp_path: Path) -> None:
    write_coco(tmp_path / "set", MADE)
    here = str(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    wanted = {
        "--annotations must be given for source coco": DataPaths(),
        "--annotations must be left out for source coco with --data_dir": DataPaths(data_dir=here, annotations="a"),
        "--data_dir must be a folder, got '/nowhere'": DataPaths(data_dir="/nowhere"),
        "there is no train/_annotations.coco.json in ": DataPaths(data_dir=here),
        "--val_images needs --val_annotations": DataPaths(annotations="a", val_images=here),
        "there is no folder '/nowhere' for the images of train": DataPaths(annotations="a", images="/nowhere"),
        f"there is no annotation file {here}/none.json": DataPaths(annotations=f"{here}/none.json"),
        f"cannot read the annotations {here}: ": DataPaths(annotations=here),
        f"cannot read the annotations {here}/fifo: ": DataPaths(annotations=f"{here}/fifo"),
    }
    for message, paths in wanted.items():
        with pytest.raises(UserError) as error:
            Coco.prepare(paths)
        assert str(error.value).startswith(message)
    for fraction in (-0.1, 1.0, math.nan):
        with pytest.raises(UserError, match=r"--test_fraction must be in \[0, 1\)"):
            DataPaths(test_fraction=fraction)
