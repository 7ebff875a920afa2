"""The sources on real sets, which lie in shared/data beside the repository where they are there at all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from beam_jobs.sources import make_source
from beam_jobs.sources.boxes import select_usable_boxes
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Source

DATA = Path(__file__).resolve().parents[4] / "shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real sets are not here")


def counts(source: Source) -> tuple[dict[str, int], int, list[str]]:
    """Items by split, usable boxes, and the reasons against the others. Every header is read."""
    boxes, faults = 0, []
    for item in source.items():
        truth, _, reasons = select_usable_boxes(item.boxes or (), source.shape(item.reference), source.class_names)
        boxes += len(truth)
        faults += [f"{item.source_id}: {reason}" for reason in reasons]
    return dict(Counter(item.split for item in source.items())), boxes, faults


def coco_paths(name: str, train: str, test: str) -> DataPaths:
    folder = DATA / name
    return DataPaths(
        annotations=str(folder / f"annotations/{train}.json"),
        images=str(folder / "train2017"),
        test_annotations=str(folder / f"annotations/{test}.json"),
        test_images=str(folder / "val2017"),
    )


def test_blood_cells() -> None:
    source = make_source("voc", DataPaths(data_dir=str(DATA / "bccd")))
    assert source.class_names == ("Platelets", "RBC", "WBC")
    splits, boxes, faults = counts(source)
    assert (splits, boxes) == ({"train": 205, "val": 87, "test": 72}, 4_886)
    assert [fault.split(",")[0] for fault in faults] == [
        "BloodImage_00343.jpg: box 3 must have an area",
        "BloodImage_00338.jpg: box 12 must have an area",
    ]


def test_face_masks() -> None:
    source = make_source("coco", coco_paths("facemask", "custom_train", "custom_val"))
    assert source.class_names == ("mask_weared_incorrect", "with_mask", "without_mask")
    assert source.category_ids == (0, 1, 2)
    assert counts(source) == ({"train": 677, "test": 171}, 3_106 + 915, [])


def test_a_little_of_coco() -> None:
    source = make_source("coco", coco_paths("coco_tiny", "instances_train2017", "instances_val2017"))
    content = json.loads((DATA / "coco_tiny/annotations/instances_val2017.json").read_text())
    assert source.category_ids == tuple(category["id"] for category in content["categories"])
    assert counts(source) == ({"train": 80, "test": 80}, 705 + 815, [])
    crowds = Counter(item.split for item in source.items() for box in item.boxes or () if box.crowd)
    assert crowds == {"train": 6, "test": 11}
    image = list(source.items())[80]
    assert (image.image_id, image.source_id) == ("532481", "000000532481.jpg")
    assert source.read(image.reference).shape == (426, 640, 3)
