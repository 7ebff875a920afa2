"""Detections as images: drawn over ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from model.detection.coco import DetectedImage
from model.drawing.image_grid import ImageGrid
from model.drawing.png import named_drawing_errors

GROUND_TRUTH, DETECTION = "lime", "red"
MIN_SCORE = 0.3  # of detections that are drawn


@named_drawing_errors()
def drawn_detections(images: Sequence[DetectedImage], class_names: Sequence[str]) -> bytes:
    """Every image's detections of at least `MIN_SCORE` over its ground truth. -> PNG.

    Raises `UserError` if that fails.
    """
    grid = ImageGrid(len(images))
    for shown in images:
        grid.add(shown.image, shown.key)
        for corners, label in zip(shown.boxes, shown.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label], below=True)
        for corners, label, score in zip(shown.detected_boxes, shown.detected_classes, shown.scores, strict=True):
            if score >= MIN_SCORE:
                grid.outline(corners, DETECTION, text=f"{class_names[label]} {score:.2f}")
    return grid.png()
