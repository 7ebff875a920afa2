"""Letterboxed images, and boxes brought back to their own pixels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.detection.decoding import Detections
from model.detection.own_pixels import (
    FoundObjects,
    detect_in_images,
    lay_on_canvas,
    make_coco_results,
)
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.view import Rectangle, move_boxes_to_image, move_boxes_to_view, show_window
from pipeline.geometry.boxes import Array

SHAPES = [(30, 90), (90, 30), (64, 64), (1, 700), (333, 250)]


def random_boxes(shape: tuple[int, int], count: int = 20) -> Array:
    """Boxes in pixels of an image."""
    rng = np.random.default_rng(sum(shape))
    ends = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1) * shape
    return np.asarray(ends.reshape(count, 4))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_letterboxed_image_fills_the_upper_left(shape: tuple[int, int]) -> None:
    canvas, view = lay_on_canvas(np.full((*shape, 3), 200, np.uint8), Letterbox(canvas=(64, 64), image_side=128))
    place = view.place
    assert canvas.shape == (64, 64, 3) and (place.ymin, place.xmin) == (0, 0)
    assert max(place.height, place.width) == 64
    assert (canvas[: place.height, : place.width] == 200).all()
    assert not canvas[place.height :].any() and not canvas[:, place.width :].any()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_come_back_to_where_they_were(shape: tuple[int, int], mirrored: bool) -> None:
    height, width = shape
    boxes = random_boxes(shape)
    for window in (Rectangle(0, 0, height, width), Rectangle(-5, -9, height + 20, width + 12)):
        view = show_window(window, shape, canvas=(320, 320), mirrored=mirrored)
        on_canvas, kept = move_boxes_to_view(view, boxes, canvas=(320, 320))
        again, still = move_boxes_to_image(view, on_canvas, canvas=(320, 320))
        np.testing.assert_allclose(again, boxes[kept][still], atol=max(shape) * 1e-5)


def test_what_lies_beside_the_image_is_cut_off() -> None:
    view = show_window(Rectangle(0, 0, 50, 100), (50, 100), canvas=(200, 200), mirrored=False)
    corners = np.array(
        [
            (0.25, 0.5, 0.75, 1.0),  # its lower half is on the black part
            (0.6, 0.1, 0.9, 0.2),  # all of it is
            (-0.1, -0.1, 0.1, 0.1),
            (np.nan, 0.1, 0.2, 0.3),
        ]
    )
    boxes, kept = move_boxes_to_image(view, corners, canvas=(200, 200))
    np.testing.assert_allclose(boxes, [(25, 50, 50, 100), (0, 0, 10, 10)])
    assert kept.tolist() == [0, 2]


def test_detections_of_a_batch_in_the_pixels_of_each_image() -> None:
    """A detector that finds the lower right quarter of the canvas's upper half, three times."""

    def detect(canvases: tf.Tensor) -> Detections:
        batch = len(canvases)
        box = [0.25, 0.5, 0.5, 1.0]
        return Detections(
            boxes=tf.constant([[box, box, box, [0.0] * 4]] * batch),
            scores=tf.constant([[0.9, 0.5, 0.2, 0.0]] * batch),
            classes=tf.constant([[2, 0, 1, 0]] * batch),
            counts=tf.constant([3] * batch),
        )

    images = [np.zeros((50, 100, 3), np.uint8), np.zeros((64, 32, 3), np.uint8)]
    wide, tall = detect_in_images(detect, images, letterbox=Letterbox(canvas=(64, 64)), min_score=0.5)
    np.testing.assert_allclose(wide.boxes, [(25, 50, 50, 100)] * 2)
    assert wide.classes.tolist() == [2, 0]
    np.testing.assert_allclose(wide.scores, [0.9, 0.5], rtol=1e-6)
    assert tall.boxes.shape == (0, 4) and tall.classes.shape == tall.scores.shape == (0,)  # the black part


def test_results_are_x_y_width_height_and_name_the_file() -> None:
    objects = FoundObjects(np.array([(10.0, 20.0, 40.0, 25.0004)]), np.array([1]), np.array([0.75]))
    assert make_coco_results(objects, image_id=3, file_name="one/a.jpg", category_ids=[4, 7]) == [
        {"image_id": 3, "file_name": "one/a.jpg", "category_id": 7, "bbox": [20.0, 10.0, 5.0, 30.0], "score": 0.75}
    ]
