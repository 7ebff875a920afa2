"""The classes of a COCO set: which categories they are, and what they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from tests.beam_jobs.sources.coco.coco_sets import MADE, prepared
from tests.beam_jobs.sources.detection_sets import CLASSES, coco_content


def test_categories_keep_their_ids_and_unused_ones_are_left_out(tmp_path: Path) -> None:
    content = coco_content(MADE)
    source = prepared(tmp_path, content)
    assert (source.class_names, source.category_ids) == (CLASSES, (0, 3, 7))
    content["categories"][0]["name"] = "dog"  # of no box
    assert prepared(tmp_path, content).class_names == CLASSES
    content["annotations"].append(dict(content["annotations"][0], category_id=90))
    source = prepared(tmp_path, content)
    assert source.class_names == ("cat", "dog (id 3)", "owl", "dog (id 90)")
    assert source.category_ids == (0, 3, 7, 90)


def test_an_unused_category_needs_no_name(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["categories"].append({"id": 91})
    assert prepared(tmp_path, content).class_names == CLASSES


def test_files_that_number_a_class_differently_are_refused(tmp_path: Path) -> None:
    """It became two classes, and no detection in the test split could be right."""
    content = coco_content(MADE)
    train = dict(content, categories=[*content["categories"], {"id": 4, "name": "dog"}])  # of no box there
    (tmp_path / "test.json").write_text(json.dumps(train))
    flags = {"test_annotations": str(tmp_path / "test.json"), "test_fraction": None}
    assert prepared(tmp_path, content, **flags).class_names == CLASSES
    for box in content["annotations"]:
        box["category_id"] = {3: 4}.get(box["category_id"], box["category_id"])
    for category in content["categories"]:
        category["id"] = {3: 4}.get(category["id"], category["id"])
    (tmp_path / "test.json").write_text(json.dumps(content))
    wanted = r"test.json: category 'dog' must have the id 3 as in \S+train.json, got 4; number the categories of all"
    with pytest.raises(UserError, match=wanted):
        prepared(tmp_path, coco_content(MADE), **flags)


def test_characters_that_join_letters_may_be_in_a_name(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["categories"][1]["name"] = "می\u200cخواهم"
    assert "می\u200cخواهم" in prepared(tmp_path, content).class_names
    content["categories"][1]["name"] = "\u200d"
    with pytest.raises(UserError, match="names of classes must be printable"):
        prepared(tmp_path, content)


def test_blanks_around_a_name_do_not_make_another_class(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["categories"][0]["name"] = "big  dog "
    content["annotations"][0] = dict(content["annotations"][0], category_id=content["categories"][0]["id"])
    assert "big dog" in prepared(tmp_path, content).class_names


@pytest.mark.parametrize("number", [-1, 2**60])
def test_an_id_that_no_manifest_can_hold_is_refused_before_the_job(number: int, tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["categories"].append({"id": number, "name": "far"})
    assert "far" not in prepared(tmp_path, content).class_names  # no box has it
    content["annotations"][0]["category_id"] = number
    with pytest.raises(UserError, match=rf"^ids of categories must be from 0 to \d+, got {number}$"):
        prepared(tmp_path, content)


def test_a_class_of_the_test_split_alone_is_one_of_the_set(tmp_path: Path) -> None:
    content = coco_content(MADE)
    content["images"] = [dict(content["images"][0], file_name="train_1.jpg")]
    content["annotations"] = [dict(content["annotations"][0], category_id=90)]
    (tmp_path / "test.json").write_text(json.dumps(content))
    source = prepared(
        tmp_path, coco_content(MADE), test_annotations=str(tmp_path / "test.json"), test_fraction=None
    )  # one image folder for both
    assert source.category_ids == (0, 3, 7, 90)
    assert [item.split for item in source.items()] == ["train"] * 4 + ["test"]
