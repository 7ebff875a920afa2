"""Boxes as COCO writes them, [x, y, width, height] of the top left corner, from values that may be anything."""

from __future__ import annotations

import contextlib
import math
import sys
from typing import Any

from beam_jobs.sources.source import SourceBox
from pipeline.errors import shown

_NUMBERS = (int, float)  # exactly: a truth value is an integer, too


def box_from_corner(
    bbox: Any,
    *,
    class_name: str,
    fault: str | None = None,
    crowd: bool = False,
    difficult: bool = False,
    area: Any = None,
) -> SourceBox:
    """A box from its corner and size.

    Args:
        bbox: [x, y, width, height] in pixels; anything else becomes the box's fault.
        class_name: of its class.
        fault: what is already known to be wrong with it.
        crowd: COCO's `iscrowd`.
        difficult: VOC's `difficult`.
        area: of the object in pixels; anything but a number of at least 0 counts as not given.
    """
    given = area if type(area) in _NUMBERS and 0 <= area <= sys.float_info.max else None
    if type(bbox) is list and len(bbox) == 4:
        y, x, height, width = bbox[1], bbox[0], bbox[3], bbox[2]
        if type(x) in _NUMBERS and type(y) in _NUMBERS and type(width) in _NUMBERS and type(height) in _NUMBERS:
            with contextlib.suppress(OverflowError):  # an integer that no float can hold
                return SourceBox(
                    y, x, y + height, x + width, class_name, crowd, difficult, given, relative=False, fault=fault
                )
    wrong = fault or f"must have four numbers as `bbox`, got {shown(bbox)}"
    return SourceBox(math.nan, math.nan, math.nan, math.nan, class_name, crowd, difficult, given, fault=wrong)
