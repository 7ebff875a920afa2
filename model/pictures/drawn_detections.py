"""Detections as pictures: drawn over ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from model.detection.coco import DetectedPicture
from model.pictures.picture_grid import PictureGrid
from model.pictures.png import named_drawing_errors

GROUND_TRUTH, DETECTION = "lime", "red"
MIN_SCORE = 0.3  # of detections that are drawn


@named_drawing_errors()
def drawn_detections(pictures: Sequence[DetectedPicture], class_names: Sequence[str]) -> bytes:
    """Every picture's detections of at least `MIN_SCORE` over its ground truth. -> PNG.

    Raises `UserError` if that fails.
    """
    grid = PictureGrid(len(pictures))
    for shown in pictures:
        grid.add(shown.picture, shown.key)
        for corners, label in zip(shown.boxes, shown.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label], below=True)
        for corners, label, score in zip(shown.detected_boxes, shown.detected_classes, shown.scores, strict=True):
            if score >= MIN_SCORE:
                grid.outline(corners, DETECTION, text=f"{class_names[label]} {score:.2f}")
    return grid.png()
