"""COCO JSON and metrics of hand-made images."""

from __future__ import annotations

import numpy as np
import pytest

from model.detection.coco import METRICS, CocoResults, DetectedImage, SourceFrame
from pipeline.compositions.composition import GroundTruth
from pipeline.compositions.view import Rectangle, View
from pipeline.errors import UserError

BOX = np.array([[0.25, 0.5, 0.5, 0.75]], np.float32)  # rows 50 to 100, columns 100 to 150 of 200 pixels


def show_value(
    key: str, boxes: np.ndarray, labels: list[int], detected: np.ndarray, classes: list[int], scores: list[float]
) -> DetectedImage:
    return DetectedImage(
        key=key,
        image=np.zeros((200, 200, 3), np.uint8),
        boxes=boxes.astype(np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        detected_boxes=detected.astype(np.float32).reshape(-1, 4),
        detected_classes=np.array(classes, np.int32),
        scores=np.array(scores, np.float32),
    )


def frame(image_id: int | str | None) -> SourceFrame:
    """An image of the canvas's size, with one object."""
    whole = View(Rectangle(0, 0, 200, 200), Rectangle(0, 0, 200, 200), mirrored=False)
    no = np.zeros(1, bool)
    truth = GroundTruth(
        BOX.astype(np.float64) * 200, np.zeros(1, np.int64), crowd=no, difficult=no, ignored=no, area=np.ones(1)
    )
    return SourceFrame(whole, truth, image_id)


def test_json_counts_ids_from_one_and_boxes_are_x_y_width_height_in_pixels() -> None:
    results = CocoResults(("cat", "dog"), (200, 200), keep=1)
    results.add(show_value("test/a/0", BOX, [1], BOX, [0], [0.5]))
    results.add(show_value("test/b/0", np.zeros((0, 4)), [], np.zeros((0, 4)), [], []))
    truth = results.ground_truth
    assert truth["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    images = [(i["id"], i["file_name"], i["height"], i["width"]) for i in truth["images"]]
    assert images == [(1, "test/a/0", 200, 200), (2, "test/b/0", 200, 200)]
    assert truth["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [100.0, 50.0, 50.0, 50.0], "area": 2500.0, "iscrowd": 0}
    ]
    assert results.detections == [{"image_id": 1, "category_id": 1, "bbox": [100.0, 50.0, 50.0, 50.0], "score": 0.5}]
    assert [image.key for image in results.images] == ["test/a/0"]


def test_ids_of_the_source_are_kept_also_the_first_if_it_is_zero() -> None:
    """An image with the id 0 got its number in place of it, which was another image's id."""
    results = CocoResults(("cat",), (200, 200))
    for image_id in (2, 0, 1, None, "a", "7", "000001"):
        results.add(show_value("test/a/0", BOX, [0], BOX, [0], [0.9]), frame(image_id))
    ids = [2, 0, 1, 4, "a", "7", "000001"]
    assert [image["id"] for image in results.ground_truth["images"]] == ids
    assert [annotation["image_id"] for annotation in results.ground_truth["annotations"]] == ids
    assert [detection["image_id"] for detection in results.detections] == ids


def test_a_image_without_an_id_gets_a_number_that_is_nobody_elses() -> None:
    """A JSON lines list may give ids to some images only; two images of one id counted as one."""
    results = CocoResults(("cat",), (200, 200))
    for image_id in (None, 3, None, 1, 2, None):
        results.add(show_value("test/a/0", BOX, [0], BOX, [0], [0.9]), frame(image_id))
    ids = [5, 3, 4, 1, 2, 7]
    assert [image["id"] for image in results.ground_truth["images"]] == ids
    assert [annotation["image_id"] for annotation in results.ground_truth["annotations"]] == ids
    assert [detection["image_id"] for detection in results.detections] == ids


def test_two_images_of_one_id_are_refused_and_copies_of_an_image_count_each() -> None:
    """COCO's metrics took them for one image, and AP changed without a word."""
    results = CocoResults(("cat",), (200, 200))
    for key in ("train/a/0", "train/a/1", "train/a/2"):
        results.add(show_value(key, BOX, [0], BOX, [0], [0.9]), frame(7))
    assert [image["id"] for image in results.ground_truth["images"]] == [7, 2, 3]
    with pytest.raises(UserError, match=r"^image ids must differ within a split, got 7 for a and for b; "):
        results.add(show_value("train/b/0", BOX, [0], BOX, [0], [0.9]), frame(7))
    results.add(show_value("train/b/0", BOX, [0], BOX, [0], [0.9]), frame("7"))


def test_crowds_difficult_and_ignored_objects_are_passed_on_to_be_ignored() -> None:
    results = CocoResults(("cat",), (200, 200))
    whole = View(Rectangle(0, 0, 200, 200), Rectangle(0, 0, 200, 200), mirrored=False)
    corners = np.array([[0.0, 0, 40, 40], [50, 50, 90, 90], [100, 100, 150, 150], [150, 150, 190, 190]])
    crowd, difficult, ignored = np.eye(4, dtype=bool)[1:]
    truth = GroundTruth(corners, np.zeros(4, np.int64), crowd, difficult, ignored, area=np.full(4, 1600.0))
    found = corners.astype(np.float32) / 200
    results.add(show_value("test/a/0", found[:1], [0], found, [0] * 4, [0.5, 0.9, 0.9, 0.9]), SourceFrame(whole, truth))
    assert [annotation["iscrowd"] for annotation in results.ground_truth["annotations"]] == [0, 1, 1, 1]
    assert results.metrics()["AP"] == pytest.approx(1.0)  # the others are no false positives


def test_perfect_detections_score_one() -> None:
    results = CocoResults(("cat", "dog"), (200, 200))
    for k in range(3):
        results.add(show_value(str(k), BOX, [k % 2], BOX, [k % 2], [0.9]))
    metrics = results.metrics()
    assert tuple(metrics) == METRICS
    assert metrics["AP"] == pytest.approx(1.0) and metrics["AR1"] == pytest.approx(1.0)
    assert metrics["AP_medium"] == pytest.approx(1.0) and metrics["AP_small"] == metrics["AP_large"] == -1.0


def test_every_image_counts_with_and_without_detections() -> None:
    results = CocoResults(("cat",), (200, 200))
    results.add(show_value("found", BOX, [0], BOX, [0], [0.9]))
    results.add(show_value("missed", BOX, [0], np.zeros((0, 4)), [], []))
    assert results.metrics()["AR100"] == pytest.approx(0.5)
    results.add(show_value("empty", np.zeros((0, 4)), [], BOX, [0], [0.95]))
    assert results.metrics()["AP50"] == pytest.approx(0.25, abs=0.01)  # half the recall, half the precision


def test_no_detections_at_all_are_zeros() -> None:
    results = CocoResults(("cat",), (200, 200))
    results.add(show_value("missed", BOX, [0], np.zeros((0, 4)), [], []))
    expected = dict.fromkeys(METRICS, 0.0)
    expected.update({name: -1.0 for name in METRICS if name.endswith(("_small", "_large"))})
    assert results.metrics() == expected
