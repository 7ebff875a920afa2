"""Detects in pictures of any size: letterboxes them onto the canvas, and brings the boxes back to their own pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.detection.coco import coco_boxes
from model.detection.decoding import Detections
from pipeline.config.records_config import Letterbox
from pipeline.geometry.boxes import Array
from pipeline.geometry.ignore_regions import no_boxes
from pipeline.reader.pictures import scaled
from pipeline.views.collage import Picture, shrink
from pipeline.views.letterbox import letterbox_views, stored_shape
from pipeline.views.placement import Rectangle
from pipeline.views.random_bits import bits_of_views
from pipeline.views.view import View, boxes_in_picture


@dataclass(frozen=True)
class FoundObjects:
    """The detections in a picture, best first."""

    boxes: Array  # [D, 4] corners, [ymin, xmin, ymax, xmax] in pixels of the picture
    classes: NDArray[np.int64]  # [D] from 0
    scores: NDArray[np.float64]  # [D]


def letterboxed(picture: Picture, config: Letterbox) -> tuple[Picture, View]:
    """A picture on a black canvas, as the first view of a record shows it.

    Returns:
        The canvas, [size, size, 3] uint8; how the picture lies on it.
    """
    shape = (picture.shape[0], picture.shape[1])
    stored = stored_shape(config, shape)
    if stored != shape:
        picture = shrink(picture, *stored)
    place = letterbox_views(config, stored, no_boxes(), count=1, bits_of=bits_of_views(0, ""))[0].place
    canvas = np.zeros((config.size, config.size, 3), np.uint8)
    canvas[: place.height, : place.width] = scaled(
        tf.constant(picture), tf.constant([place.height, place.width])
    ).numpy()
    return canvas, View(Rectangle(0, 0, *shape), place, mirrored=False)


def detect_in_pictures(
    detect: Callable[[tf.Tensor], Detections], pictures: Sequence[Picture], *, letterbox: Letterbox, min_score: float
) -> list[FoundObjects]:
    """Detects in a batch of pictures, [h, w, 3] uint8 RGB of any sizes.

    Args:
        detect: from canvases, uint8 [B, size, size, 3], to detections.
        pictures: at least one.
        letterbox: how pictures lie on the network's canvas.
        min_score: the least score of a detection that is returned.
    """
    canvases, views = zip(*(letterboxed(picture, letterbox) for picture in pictures), strict=True)
    found = Detections(*(part.numpy() for part in detect(tf.constant(np.stack(canvases)))))
    objects = []
    for number, view in enumerate(views):
        count = int((found.scores[number, : found.counts[number]] >= min_score).sum())  # they are sorted
        boxes, kept = boxes_in_picture(view, found.boxes[number, :count], size=letterbox.size)
        classes, scores = found.classes[number, kept], found.scores[number, kept]
        objects.append(FoundObjects(boxes, classes.astype(np.int64), scores.astype(np.float64)))
    return objects


def coco_results(
    objects: FoundObjects, *, image_id: int, file_name: str, category_ids: Sequence[int]
) -> list[dict[str, object]]:
    """Detections in COCO's results format, with the file's name: boxes are x, y, width, height in pixels."""
    boxes = coco_boxes(objects.boxes.round(3))
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
