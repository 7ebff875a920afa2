"""One of YOLO's label files: a line for each object of an image."""

from __future__ import annotations

import math
from collections.abc import Mapping

from beam_jobs.sources.source import SourceBox
from pipeline.errors import shown


def parse_yolo(data: bytes, names: Mapping[int, str] | None, *, pose: bool = False) -> tuple[SourceBox, ...]:
    """Parses a label file. A line that cannot be used becomes a box with a fault.

    Args:
        data: lines of a class number and either `cx cy w h`, the middle and size of a box, or the corners `x y` of a
            polygon, at least three, whose bounding box is taken. All are shares of the image's width or height.
        names: of the classes by number; None: a class is named by its number.
        pose: whether key points follow the box. They are not read.

    Returns:
        Boxes relative to the image's size.
    """
    lines = data.decode("utf-8", "backslashreplace").splitlines()
    return tuple(_box(line, names, pose) for line in lines if not line.isspace() and line)


def _box(line: str, names: Mapping[int, str] | None, pose: bool) -> SourceBox:
    try:
        number, *values = [float(text) for text in line.split()]
    except ValueError:
        return _broken(line)
    # Some programs write 3.0 for class 3. A sum is finite only if all its numbers are.
    if not (number.is_integer() and 0 <= number < 2**31 and math.isfinite(sum(values)) and line.isascii()):
        return _broken(line)
    name = str(int(number)) if names is None else names.get(int(number))
    if name is None:
        fault = f"must be of a known class, got class {int(number)}"
        return SourceBox(math.nan, math.nan, math.nan, math.nan, "", relative=True, fault=fault)
    if len(values) == 4 or (pose and len(values) > 4):
        x, y, width, height = values[:4]
        return SourceBox(y - height / 2, x - width / 2, y + height / 2, x + width / 2, name, relative=True)
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return SourceBox(min(ys), min(xs), max(ys), max(xs), name, relative=True)
    return _broken(line)


def _broken(line: str) -> SourceBox:
    fault = f"must be a class number and four numbers, or a polygon's corners, got the line {shown(line)}"
    return SourceBox(math.nan, math.nan, math.nan, math.nan, "", relative=True, fault=fault)
