"""Sorts a source's boxes into those that can be used and the reasons why the others cannot."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from beam_jobs.sources.source import SourceBox
from pipeline.geometry.boxes import Array

OVERHANG = 1.0  # pixels that a box may reach over the picture's border, where it is cut: annotations are often rounded


def usable_boxes(
    boxes: tuple[SourceBox, ...], shape: tuple[int, int], class_names: tuple[str, ...]
) -> tuple[Array, NDArray[np.int64], list[str], list[int]]:
    """Splits a picture's boxes into usable ones and the reasons against the others.

    Args:
        boxes: as the source gives them.
        shape: height and width of the picture, pixels.
        class_names: the classes of the source.

    Returns:
        Corners of the usable boxes in pixels, cut to the picture, [G, 4] float64; their labels, [G] int64; one
        reason for each box that is left out; the indices of the usable boxes in `boxes`, [G].
    """
    height, width = shape
    corners, labels, reasons, kept = [], [], [], []
    for number, given in enumerate(boxes):
        box = _in_pixels(given, shape)
        reason = _fault(box, shape, class_names)
        if reason is not None:
            reasons.append(f"box {number} {reason}")
            continue
        corners.append((max(box.ymin, 0.0), max(box.xmin, 0.0), min(box.ymax, height), min(box.xmax, width)))
        labels.append(class_names.index(box.class_name))
        kept.append(number)
    return np.array(corners, np.float64).reshape(-1, 4), np.array(labels, np.int64), reasons, kept


def _in_pixels(box: SourceBox, shape: tuple[int, int]) -> SourceBox:
    if not box.relative:
        return box
    height, width = shape
    return box._replace(
        ymin=box.ymin * height, xmin=box.xmin * width, ymax=box.ymax * height, xmax=box.xmax * width, relative=False
    )


def _fault(box: SourceBox, shape: tuple[int, int], class_names: tuple[str, ...]) -> str | None:
    if box.fault is not None:
        return box.fault
    height, width = shape
    sides = box[:4]
    if not all(isinstance(side, int | float) and abs(side) <= sys.float_info.max for side in sides):  # false for NaN
        return f"must have finite sides, got {list(sides)}"
    if box.class_name not in class_names:
        return f"must be of a known class, got {box.class_name!r}"
    if box.ymax <= box.ymin or box.xmax <= box.xmin:
        return f"must have an area, got {list(sides)}"
    if min(box.ymin, box.xmin) < -OVERHANG or box.ymax > height + OVERHANG or box.xmax > width + OVERHANG:
        return f"must lie inside {height} x {width} pixels, got {list(sides)}"
    if min(box.ymax, height) <= max(box.ymin, 0.0) or min(box.xmax, width) <= max(box.xmin, 0.0):
        return f"must have an area inside {height} x {width} pixels, got {list(sides)}"
    return None
