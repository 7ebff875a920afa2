"""Images side by side, each with a title and outlined boxes: detections over ground truth, and records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.detection.coco import DetectedImage
from model.drawing.png import drawable, encode_png, name_drawing_errors, new_figure
from pipeline.compositions.resize import RgbImage, paint_view
from pipeline.compositions.view import Shape
from pipeline.geometry.anchors import Anchors
from pipeline.records.record import Record

GROUND_TRUTH, DETECTION, ANCHOR = "lime", "red", "orange"
MIN_SCORE = 0.3  # of detections that are drawn

COLUMNS = 4
TITLE = 48  # characters that fit above an image


@name_drawing_errors()
def draw_detections(images: Sequence[DetectedImage], class_names: Sequence[str]) -> bytes:
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


@name_drawing_errors()
def draw_views(
    views: Sequence[tuple[Record, int]], anchors: Anchors, class_names: Sequence[str], *, canvas: Shape
) -> bytes:
    """Views of records, given by record and number: matched anchors over ground truth. -> PNG.

    Raises `UserError` if that fails.
    """
    grid = ImageGrid(len(views))
    for record, number in views:
        view = record.views[number]
        title = record.key if len(record.views) == 1 else f"{record.key}, view {number}"
        painted = paint_view(record.image(), view.view, canvas=canvas)
        grid.add(painted, f"{title}: {len(view.targets.anchors)} anchors")
        for corners in anchors.corners[view.targets.anchors]:
            grid.outline(corners, ANCHOR, width=0.6)
        for corners, label in zip(view.boxes, view.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label])
    return grid.png()


class ImageGrid:
    """A figure with `count` images, filled one after the other."""

    def __init__(self, count: int) -> None:
        columns = min(COLUMNS, count)
        rows = math.ceil(count / columns)
        self._figure = new_figure(width=3 * columns, height=3.2 * rows)
        self._axes = list(self._figure.subplots(rows, columns, squeeze=False).flat)
        for axis in self._axes:
            axis.axis("off")
        self._next = 0
        self._axis: Any = None  # of the current image
        self._size = (0, 0)

    def add(self, image: RgbImage, title: str) -> None:
        """Shows the next image, uint8 [H, W, 3]. `outline` draws into it until another one is added.

        The middle of a long title is left out, because keys differ most at their ends.
        """
        self._axis = self._axes[self._next]
        self._next += 1
        self._size = image.shape[:2]
        self._axis.imshow(image)
        self._axis.set_title(_shorten(drawable(title)), fontsize=7, parse_math=False)

    def outline(
        self, corners: NDArray[np.floating], color: str, *, width: float = 1.2, text: str = "", below: bool = False
    ) -> None:
        """Outlines a box in the current image.

        Args:
            corners: [ymin, xmin, ymax, xmax] in [0, 1].
            color: of the outline and the text.
            width: of the line, in points.
            text: written above the box.
            below: writes the text below the box instead.
        """
        from matplotlib.patches import Rectangle

        height, breadth = self._size
        ymin, ymax = corners[0] * height - 0.5, corners[2] * height - 0.5
        xmin, xmax = corners[1] * breadth - 0.5, corners[3] * breadth - 0.5
        self._axis.add_patch(
            Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False, color=color, linewidth=width)
        )
        if text:
            y, side = (ymax, "top") if below else (ymin, "bottom")
            self._axis.text(
                xmin,
                y,
                drawable(text),
                color=color,
                fontsize=7,
                verticalalignment=side,
                clip_on=True,
                parse_math=False,
            )

    def png(self) -> bytes:
        """The figure as a PNG file."""
        return encode_png(self._figure)


def _shorten(title: str) -> str:
    half = (TITLE - 1) // 2
    return title if len(title) <= TITLE else f"{title[:half]}…{title[-half:]}"
