"""Sorts a source's boxes into those that can be used and the reasons why the others cannot."""

from __future__ import annotations

import sys

import numpy as np

from beam_jobs.sources.source import SourceBox
from pipeline.compositions.composition import GroundTruth
from pipeline.geometry.boxes import areas

OVERHANG = 1.0  # pixels that a box may reach over the image's border, where it is cut: annotations are often rounded

BOX_ORDER = "ymin, xmin, ymax, xmax"  # for messages


def usable_boxes(
    boxes: tuple[SourceBox, ...], shape: tuple[int, int], class_names: tuple[str, ...]
) -> tuple[GroundTruth, list[int], list[str]]:
    """Splits an image's boxes into usable ones and the reasons against the others.

    Args:
        boxes: as the source gives them.
        shape: height and width of the image, pixels.
        class_names: the classes of the source.

    Returns:
        The usable boxes, in pixels; one may reach up to `OVERHANG` over the image's border. Their numbers among the
        given ones. One reason for each box that is left out.
    """
    usable: list[SourceBox] = []
    numbers, reasons = [], []
    for number, given in enumerate(boxes):
        box = _in_pixels(given, shape)
        reason = _fault(box, shape, class_names)
        if reason is None:
            usable.append(box)
            numbers.append(number)
        else:
            reasons.append(f"box {number} {reason}")
    corners = np.array([box[:4] for box in usable], np.float64).reshape(-1, 4)
    own = areas(corners)
    truth = GroundTruth(
        corners=corners,
        labels=np.array([class_names.index(box.class_name) for box in usable], np.int64),
        crowd=np.array([box.crowd for box in usable], bool),
        difficult=np.array([box.difficult for box in usable], bool),
        ignored=np.zeros(len(usable), bool),
        area=np.array([own[k] if box.area is None else box.area for k, box in enumerate(usable)], np.float64),
    )
    return truth, numbers, reasons


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
    if not all(_is_finite(side) for side in sides):
        return f"must have finite sides, got {BOX_ORDER} {list(sides)}"
    if box.class_name not in class_names:
        return f"must be of a known class, got {box.class_name!r}"
    if box.ymax <= box.ymin or box.xmax <= box.xmin:
        return f"must have an area, got {BOX_ORDER} {list(sides)}"
    if min(box.ymin, box.xmin) < -OVERHANG or box.ymax > height + OVERHANG or box.xmax > width + OVERHANG:
        return f"must lie inside {width} x {height} pixels, got {BOX_ORDER} {list(sides)}"
    if min(box.ymax, height) <= max(box.ymin, 0.0) or min(box.xmax, width) <= max(box.xmin, 0.0):
        return f"must have an area inside {width} x {height} pixels, got {BOX_ORDER} {list(sides)}"
    if box.area is not None and not (_is_finite(box.area) and box.area >= 0):
        return f"must have an area of at least 0, got {box.area!r}"
    return None


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # false for NaN
