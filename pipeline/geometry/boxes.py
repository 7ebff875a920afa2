"""Boxes: corners `[ymin, xmin, ymax, xmax]`, centroids `[cy, cx, h, w]`, and intersection over union."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def centroids_to_corners(boxes: Array) -> Array:
    """`[cy, cx, h, w]` to `[ymin, xmin, ymax, xmax]`; any unit. [..., 4] -> [..., 4] float64."""
    boxes = np.asarray(boxes, np.float64)
    centers, halves = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centers - halves, centers + halves], axis=-1)


def corners_to_centroids(boxes: Array) -> Array:
    """`[ymin, xmin, ymax, xmax]` to `[cy, cx, h, w]`; any unit. [..., 4] -> [..., 4] float64."""
    boxes = np.asarray(boxes, np.float64)
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def corners_to_xywh(boxes: Array) -> Array:
    """`[ymin, xmin, ymax, xmax]` to COCO's `[x, y, width, height]`; any unit. [..., 4] -> [..., 4] float64."""
    boxes = np.asarray(boxes, np.float64)
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([low[..., ::-1], (high - low)[..., ::-1]], axis=-1)


def areas(corners: Array) -> Array:
    """Areas of corner boxes, in the square of their unit. [..., 4] -> [...]."""
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def iou(boxes: Array, others: Array, *, other_areas: Array | None = None) -> Array:
    """Intersection over union of every box with every other box.

    Args:
        boxes: corners, [G, 4], any unit.
        others: corners, [N, 4], the same unit. Column-major order (`np.asfortranarray`) is fastest.
        other_areas: `areas(others)`, [N], if already known.

    Returns:
        [G, N] float64 in [0, 1]; 0 where the union has no area.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    if other_areas is None:
        other_areas = areas(others)
    # For boxes without NaN, fmin and fmax give the same numbers as minimum and maximum in two thirds of the time.
    sides = np.fmin(boxes[:, 2:, None], others.T[2:])  # [G, 2, N]: height and width of the overlap
    sides -= np.fmax(boxes[:, :2, None], others.T[:2])
    np.fmax(sides, 0.0, out=sides)
    overlap = np.multiply(sides[:, 0], sides[:, 1])  # [G, N]
    union = areas(boxes)[:, None] + other_areas
    union -= overlap
    if union.size and union.min() <= 0.0:
        return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0.0)
    return np.divide(overlap, union, out=overlap)
