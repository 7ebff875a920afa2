"""Detects in pictures of any size: letterboxes them onto the canvas, and brings the boxes back to their own pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.detection.decoding import Detections
from pipeline.geometry.boxes import Array
from pipeline.views.collage import Picture, paint, resize
from pipeline.views.placement import Rectangle
from pipeline.views.view import View, view_of_window


@dataclass(frozen=True)
class FoundObjects:
    """The detections in a picture, best first."""

    boxes: Array  # [D, 4] corners, [ymin, xmin, ymax, xmax] in pixels of the picture
    classes: NDArray[np.int64]  # [D] from 0
    scores: NDArray[np.float64]  # [D]


def letterboxed(picture: Picture, canvas_size: int) -> tuple[Picture, View]:
    """A picture on a black canvas: its longer side as long as the canvas, at the upper left.

    Returns:
        The canvas, [canvas_size, canvas_size, 3] uint8; how the picture lies on it.
    """
    height, width = picture.shape[:2]
    view = view_of_window(Rectangle(0, 0, height, width), (height, width), size=canvas_size, mirrored=False)
    pixels = resize(picture, view.place.height, view.place.width)
    return paint(canvas_size, canvas_size, view.place, pixels), view


def boxes_in_picture(view: View, corners: NDArray[np.floating], *, size: int) -> tuple[Array, NDArray[np.int64]]:
    """The boxes of a canvas as they lie in the picture: the inverse of `pipeline.views.view.boxes_in_view`.

    Args:
        view: how the picture lies on the canvas.
        corners: [D, 4] in [0, 1] of the canvas.
        size: of the canvas, pixels.

    Returns:
        Corners in pixels of the picture, cut where the shown part ends, [K, 4]; which boxes have an area left, [K]
        ascending.
    """
    shown, place = view.shown, view.place
    on_canvas = np.asarray(corners, np.float64).reshape(-1, 2, 2) * size - (place.ymin, place.xmin)
    if view.mirrored:
        on_canvas[..., 1] = place.width - on_canvas[:, ::-1, 1]
    on_canvas = np.clip(on_canvas, 0.0, (place.height, place.width))
    scale = (shown.height / place.height, shown.width / place.width)
    boxes = (on_canvas * scale + (shown.ymin, shown.xmin)).reshape(-1, 4)
    kept = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return boxes[kept], kept


def detect_in_pictures(
    detect: Callable[[tf.Tensor], Detections], pictures: Sequence[Picture], *, canvas_size: int, min_score: float
) -> list[FoundObjects]:
    """Detects in a batch of pictures, [h, w, 3] uint8 RGB of any sizes.

    Args:
        detect: from canvases, uint8 [B, canvas_size, canvas_size, 3], to detections.
        pictures: at least one.
        canvas_size: of the network, pixels.
        min_score: of the detections that are returned.
    """
    canvases, views = zip(*(letterboxed(picture, canvas_size) for picture in pictures), strict=True)
    found = Detections(*(part.numpy() for part in detect(tf.constant(np.stack(canvases)))))
    objects = []
    for number, view in enumerate(views):
        count = int((found.scores[number, : found.counts[number]] >= min_score).sum())  # they are sorted
        boxes, kept = boxes_in_picture(view, found.boxes[number, :count], size=canvas_size)
        classes, scores = found.classes[number, kept], found.scores[number, kept]
        objects.append(FoundObjects(boxes, classes.astype(np.int64), scores.astype(np.float64)))
    return objects


def coco_results(
    objects: FoundObjects, *, image_id: int, file_name: str, category_ids: Sequence[int]
) -> list[dict[str, object]]:
    """Detections in COCO's results format, with the file's name: boxes are x, y, width, height in pixels."""
    boxes = np.concatenate([objects.boxes[:, 1::-1], (objects.boxes[:, 2:] - objects.boxes[:, :2])[:, ::-1]], axis=1)
    return [
        {
            "image_id": image_id,
            "file_name": file_name,
            "category_id": category_ids[label],
            "bbox": [round(side, 3) for side in box],
            "score": score,
        }
        for box, label, score in zip(boxes.tolist(), objects.classes.tolist(), objects.scores.tolist(), strict=True)
    ]
