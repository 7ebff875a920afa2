"""The geometry once more, as plain loops over Python floats: slow, and written apart from the vectorised code.

Boxes are lists `[ymin, xmin, ymax, xmax]` or `[cy, cx, h, w]` in [0, 1] of the canvas, as in the rest of the project.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.geometry.anchors import AnchorConfig

Box = Sequence[float]


class Assignment(NamedTuple):
    """What every anchor of one image is."""

    ground_truth_of: dict[int, int]  # matched anchor -> ground truth
    ignored: set[int]  # anchors that are neither object nor background


def anchors(config: AnchorConfig, canvas: tuple[int, int]) -> list[list[float]]:
    """All anchors as `[cy, cx, h, w]`, by map, then row, then column, then box."""
    boxes = []
    canvas_height, canvas_width = canvas
    for k, stride in enumerate(config.strides):
        rows = canvas_height // stride + (1 if canvas_height % stride else 0)
        columns = canvas_width // stride + (1 if canvas_width % stride else 0)
        scale = config.scales[k]
        sizes = [(scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for ratio in config.aspect_ratios[k]]
        if config.scale_after_last is not None:
            last = k == len(config.strides) - 1
            side = math.sqrt(scale * (config.scale_after_last if last else config.scales[k + 1]))
            sizes.append((side, side))
        unit: float = min(canvas_height, canvas_width)  # pixels
        if config.relative_to == "cell":
            unit = min(canvas_height / rows, canvas_width / columns)
        for row in range(rows):
            for column in range(columns):
                for height, width in sizes:
                    center = [(row + 0.5) / rows, (column + 0.5) / columns]
                    boxes.append([*center, height * unit / canvas_height, width * unit / canvas_width])
    return boxes


def corners(centroid: Box) -> list[float]:
    """`[cy, cx, h, w]` to `[ymin, xmin, ymax, xmax]`."""
    cy, cx, h, w = centroid
    return [cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two corner boxes."""
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    if height <= 0 or width <= 0:
        return 0.0
    intersection = height * width
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection
    return intersection / union


def assign(
    overlaps: Sequence[Sequence[float]], positive_iou: float, ignore_iou: float | None, forced: str = "bipartite"
) -> Assignment:
    """Both passes of matching, from the IoU of every ground truth (rows) with every anchor (columns)."""
    table = [[round(value, 9) for value in row] for row in overlaps]
    anchor_count = len(table[0]) if table else 0
    ground_truth_of: dict[int, int] = {}
    if forced in ("first", "last"):
        for g, row in enumerate(table):
            best_anchor = row.index(max(row))
            if row[best_anchor] > 0 and (forced == "last" or best_anchor not in ground_truth_of):
                ground_truth_of[best_anchor] = g
    waiting = set(range(len(table))) if forced == "bipartite" else set()
    while waiting:
        pairs = ((table[g][a], g, a) for g in sorted(waiting) for a in range(anchor_count) if a not in ground_truth_of)
        best = (0.0, -1, -1)
        for pair in pairs:  # in order, so that the first of equals stays
            if pair[0] > best[0]:
                best = pair
        if best[0] == 0.0:
            break
        ground_truth_of[best[2]] = best[1]
        waiting.remove(best[1])
    ignored = set()
    for a in range(anchor_count):
        if a in ground_truth_of:
            continue
        best_value, best_g = 0.0, -1
        for g in range(len(table)):
            if table[g][a] > best_value:
                best_value, best_g = table[g][a], g
        if best_g >= 0 and best_value >= positive_iou:
            ground_truth_of[a] = best_g
        elif best_g >= 0 and ignore_iou is not None and best_value >= ignore_iou:
            ignored.add(a)
    return Assignment(ground_truth_of, ignored)


def offsets(ground_truth: Box, anchor: Box) -> list[float]:
    """Offsets cy, cx, h, w of a corner box to a centroid anchor."""
    cy, cx, h, w = anchor
    ymin, xmin, ymax, xmax = ground_truth
    return [
        ((ymin + ymax) / 2 - cy) / h,
        ((xmin + xmax) / 2 - cx) / w,
        math.log((ymax - ymin) / h),
        math.log((xmax - xmin) / w),
    ]
