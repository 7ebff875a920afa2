"""What the commands print of a source: it shows at once that a set was taken for another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from beam_jobs.sources.coco.reader import Coco
from beam_jobs.sources.jsonl.reader import JsonLines
from beam_jobs.sources.source import describe_source
from tests.beam_jobs.sources.detection_sets import coco_content, made_set, write_coco


def described(*class_names: str, has_val: bool, has_test: bool, test_fraction: float = 0.0) -> list[str]:
    source = JsonLines((), (), "", class_names, has_val=has_val, has_test=has_test, test_fraction=test_fraction)
    return describe_source(source, val_fraction=0.1)


def test_classes_and_where_val_and_test_come_from() -> None:
    assert described("cat", "big dog", has_val=False, has_test=True) == [
        "2 classes: cat, big dog",
        "val is 10.0% of train, by hash; test is the source's own",
    ]
    assert described("cat", has_val=True, has_test=False, test_fraction=0.25) == [
        "1 class: cat",
        "val is the source's own; test is 25.0% of train, by hash",
    ]
    assert described("cat", has_val=True, has_test=False)[1] == "val is the source's own; test is empty"


def test_images_in_several_splits_are_told_of(tmp_path: Path) -> None:
    made = made_set(train=3, val=0, test=0)
    paths = write_coco(tmp_path, made)
    twice = replace(paths, data_dir=None, annotations=str(tmp_path / "train.json"), images=str(tmp_path / "train"))
    content = json.dumps(coco_content(made))
    for name in ("train", "test"):
        (tmp_path / f"{name}.json").write_text(content)
    again = replace(twice, test_annotations=str(tmp_path / "test.json"))
    assert not any("in several splits" in line for line in describe_source(Coco.prepare(twice), val_fraction=0.1))
    assert describe_source(Coco.prepare(again), val_fraction=0.1)[2] == (
        "note: 3 images in several splits, such as train_0.jpg in train and test: "
        "figures on images that were trained on say little"
    )


def test_images_of_another_size_are_told_of_too(tmp_path: Path) -> None:
    paths = write_coco(tmp_path, made_set(train=2, val=0, test=0))  # its sizes are wrong
    lines = describe_source(Coco.prepare(paths), val_fraction=0.1)
    assert len(lines) == 3 and lines[2].startswith("note: 2 of 2 images looked at have another size than")


def test_a_long_list_of_classes_is_cut_and_odd_names_are_escaped() -> None:
    names = ("a\x1bb", *(f"c{number}" for number in range(19)))
    (classes, _) = described(*names, has_val=True, has_test=True)
    assert classes.startswith("20 classes: a\\x1bb, c0, ") and classes.endswith(", c10, … and 8 more")
