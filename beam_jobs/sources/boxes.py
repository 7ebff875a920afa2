"""Boxes as annotations give them: read from unchecked values, and sorted into usable ones and reasons."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import Any

import numpy as np

from beam_jobs.sources.source import SourceBox
from pipeline.compositions.composition import GroundTruth
from pipeline.compositions.view import Shape
from pipeline.errors import show_value
from pipeline.geometry.boxes import areas

OVERHANG = 1.0  # pixels that a box may reach over the image's border, where it is cut: annotations are often rounded

BOX_ORDER = "ymin, xmin, ymax, xmax"  # for messages
_NUMBERS = (int, float)  # compared exactly, because a bool is an int too
_ANSWERS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True, "": False}


def make_box(
    bbox: Any,
    *,
    class_name: str,
    fault: str | None = None,
    crowd: Any = None,
    difficult: Any = None,
    area: Any = None,
) -> SourceBox:
    """A box from its corner and size, as COCO writes it.

    Args:
        bbox: [x, y, width, height] in pixels, from the top left corner; anything else becomes the box's fault.
        class_name: of its class.
        fault: what is already known to be wrong with it.
        crowd: COCO's `iscrowd`, 0 or 1; anything that does not say yes or no becomes the box's fault.
        difficult: VOC's `difficult`, likewise.
        area: of the object in pixels; anything but a number of at least 0 counts as not given.
    """
    is_crowd, is_difficult = _parse_answer(crowd), _parse_answer(difficult)
    if fault is None and is_crowd is None:
        fault = f"must have 0 or 1 as `iscrowd`, got {show_value(crowd)}"
    if fault is None and is_difficult is None:
        fault = f"must have 0 or 1 as `difficult`, got {show_value(difficult)}"
    flags = (bool(is_crowd), bool(is_difficult))
    given = area if type(area) in _NUMBERS and 0 <= area <= sys.float_info.max else None
    if type(bbox) is list and len(bbox) == 4:
        y, x, height, width = bbox[1], bbox[0], bbox[3], bbox[2]
        if type(x) in _NUMBERS and type(y) in _NUMBERS and type(width) in _NUMBERS and type(height) in _NUMBERS:
            with contextlib.suppress(OverflowError):  # an integer that no float can hold
                return SourceBox(y, x, y + height, x + width, class_name, *flags, given, relative=False, fault=fault)
    wrong = fault or f"must have four numbers as `bbox`, got {show_value(bbox)}"
    return SourceBox(math.nan, math.nan, math.nan, math.nan, class_name, *flags, given, fault=wrong)


def select_usable_boxes(
    boxes: tuple[SourceBox, ...], shape: Shape, class_names: tuple[str, ...]
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
        box = _scale_to_pixels(given, shape)
        reason = _find_fault(box, shape, class_names)
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


def _parse_answer(value: object) -> bool | None:
    """Whether a value says yes; None if it says neither yes nor no. As text, "0" is no, although it is not empty."""
    if value is None:
        return False
    if isinstance(value, str):
        return _ANSWERS.get(value.strip().lower())
    return value == 1 if value in (0, 1) else None


def _scale_to_pixels(box: SourceBox, shape: Shape) -> SourceBox:
    if not box.relative:
        return box
    height, width = shape
    return box._replace(
        ymin=box.ymin * height, xmin=box.xmin * width, ymax=box.ymax * height, xmax=box.xmax * width, relative=False
    )


def _find_fault(box: SourceBox, shape: Shape, class_names: tuple[str, ...]) -> str | None:
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
