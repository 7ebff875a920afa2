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


def areas(corners: Array) -> Array:
    """Areas of corner boxes, in the square of their unit. [..., 4] -> [...]."""
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def iou(boxes: Array, others: Array) -> Array:
    """Intersection over union of every box with every other box.

    Args:
        boxes: corners, [G, 4], any unit.
        others: corners, [N, 4], the same unit. Column-major order (`np.asfortranarray`) is fastest.

    Returns:
        [G, N] float64 in [0, 1]; 0 where the union has no area.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    ymin, xmin, ymax, xmax = (boxes[:, k, None] for k in range(4))  # [G, 1] each
    overlap = np.minimum(ymax, others[:, 2])  # [G, N]
    overlap -= np.maximum(ymin, others[:, 0])
    width = np.minimum(xmax, others[:, 3])
    width -= np.maximum(xmin, others[:, 1])
    np.maximum(overlap, 0.0, out=overlap)
    np.maximum(width, 0.0, out=width)
    overlap *= width
    union = areas(boxes)[:, None] + areas(others)
    union -= overlap
    if union.size and union.min() <= 0.0:
        return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0.0)
    return np.divide(overlap, union, out=overlap)
