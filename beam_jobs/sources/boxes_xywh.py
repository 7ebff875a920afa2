"""Boxes as COCO writes them, [x, y, width, height] from the top left corner, read from unchecked values."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import Any

from beam_jobs.sources.source import SourceBox
from pipeline.errors import shown

_NUMBERS = (int, float)  # compared exactly, because a bool is an int too
_ANSWERS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True, "": False}


def box_from_corner(
    bbox: Any,
    *,
    class_name: str,
    fault: str | None = None,
    crowd: Any = None,
    difficult: Any = None,
    area: Any = None,
) -> SourceBox:
    """A box from its corner and size.

    Args:
        bbox: [x, y, width, height] in pixels; anything else becomes the box's fault.
        class_name: of its class.
        fault: what is already known to be wrong with it.
        crowd: COCO's `iscrowd`, 0 or 1; anything that does not say yes or no becomes the box's fault.
        difficult: VOC's `difficult`, likewise.
        area: of the object in pixels; anything but a number of at least 0 counts as not given.
    """
    is_crowd, is_difficult = _yes(crowd), _yes(difficult)
    if fault is None and is_crowd is None:
        fault = f"must have 0 or 1 as `iscrowd`, got {shown(crowd)}"
    if fault is None and is_difficult is None:
        fault = f"must have 0 or 1 as `difficult`, got {shown(difficult)}"
    flags = (bool(is_crowd), bool(is_difficult))
    given = area if type(area) in _NUMBERS and 0 <= area <= sys.float_info.max else None
    if type(bbox) is list and len(bbox) == 4:
        y, x, height, width = bbox[1], bbox[0], bbox[3], bbox[2]
        if type(x) in _NUMBERS and type(y) in _NUMBERS and type(width) in _NUMBERS and type(height) in _NUMBERS:
            with contextlib.suppress(OverflowError):  # an integer that no float can hold
                return SourceBox(y, x, y + height, x + width, class_name, *flags, given, relative=False, fault=fault)
    wrong = fault or f"must have four numbers as `bbox`, got {shown(bbox)}"
    return SourceBox(math.nan, math.nan, math.nan, math.nan, class_name, *flags, given, fault=wrong)


def _yes(value: object) -> bool | None:
    """Whether a value says yes; None if it says neither yes nor no. As text, "0" is no, although it is not empty."""
    if value is None:
        return False
    if isinstance(value, str):
        return _ANSWERS.get(value.strip().lower())
    return value == 1 if value in (0, 1) else None
