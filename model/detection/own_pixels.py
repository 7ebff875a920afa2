"""Detects in images of any size: letterboxes them onto the canvas, and brings the boxes back to their own pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.detection.coco import make_coco_boxes
from model.detection.decoding import Detections
from pipeline.compositions.composition import SourceImage, no_objects
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Rectangle, View, move_boxes_to_image
from pipeline.geometry.boxes import Array
from pipeline.reader.images import scale


@dataclass(frozen=True)
class FoundObjects:
    """The detections in an image, best first."""

    boxes: Array  # [D, 4] corners, [ymin, xmin, ymax, xmax] in pixels of the image
    classes: NDArray[np.int64]  # [D] from 0
    scores: NDArray[np.float64]  # [D]


def lay_on_canvas(image: RgbImage, letterbox: Letterbox) -> tuple[RgbImage, View]:
    """An image on a black canvas, as the first view of a record shows it.

    Returns:
        The canvas, [height, width, 3] uint8; how the image lies on it.
    """
    shape = (image.shape[0], image.shape[1])
    layout = letterbox.layout(SourceImage(shape, truth=no_objects()), views=1, bits=EntryBits(0, ""))
    place = layout.views[0].place
    shown = scale(tf.constant(letterbox.paint(layout, [image])), tf.constant(place.shape)).numpy()
    canvas = np.zeros((*letterbox.canvas, 3), np.uint8)
    canvas[: place.height, : place.width] = shown
    return canvas, View(Rectangle(0, 0, *shape), place, mirrored=False)


def detect_in_images(
    detect: Callable[[tf.Tensor], Detections], images: Sequence[RgbImage], *, letterbox: Letterbox, min_score: float
) -> list[FoundObjects]:
    """Detects in a batch of images, [h, w, 3] uint8 RGB of any sizes.

    Args:
        detect: from canvases, uint8 [B, height, width, 3], to detections.
        images: at least one.
        letterbox: how images lie on the network's canvas.
        min_score: the least score of a detection that is returned.
    """
    canvases, views = zip(*(lay_on_canvas(image, letterbox) for image in images), strict=True)
    found = Detections(*(part.numpy() for part in detect(tf.constant(np.stack(canvases)))))
    objects = []
    for number, view in enumerate(views):
        count = int((found.scores[number, : found.counts[number]] >= min_score).sum())  # they are sorted
        boxes, kept = move_boxes_to_image(view, found.boxes[number, :count], canvas=letterbox.canvas)
        classes, scores = found.classes[number, kept], found.scores[number, kept]
        objects.append(FoundObjects(boxes, classes.astype(np.int64), scores.astype(np.float64)))
    return objects


def make_coco_results(
    objects: FoundObjects, *, image_id: int, file_name: str, category_ids: Sequence[int]
) -> list[dict[str, object]]:
    """Detections in COCO's results format, with the file's name: boxes are x, y, width, height in pixels."""
    boxes = make_coco_boxes(objects.boxes.round(3))
    return [
        {
            "image_id": image_id,
            "file_name": file_name,
            "category_id": category_ids[label],
            "bbox": box,
            "score": score,
        }
        for box, label, score in zip(boxes, objects.classes.tolist(), objects.scores.tolist(), strict=True)
    ]
