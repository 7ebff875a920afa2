"""Anchors over objects that are not targets: crowd regions, and objects marked as difficult."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import IOU_DECIMALS, MatchingConfig

CROWD_SHARE = 0.5  # an anchor is ignored if at least this share of its area is inside a crowd


def no_boxes() -> Array:
    """An empty array of boxes, [0, 4] float64."""
    return np.zeros((0, 4))


@dataclass(frozen=True)
class IgnoreRegions:
    """Where a view shows objects that are neither ground truth nor background. Corners in [0, 1], float64."""

    crowd: Array = field(default_factory=no_boxes)  # [C, 4]
    difficult: Array = field(default_factory=no_boxes)  # [D, 4]

    def __len__(self) -> int:
        return len(self.crowd) + len(self.difficult)


def find_anchors_over(regions: IgnoreRegions, anchors: Anchors, config: MatchingConfig) -> NDArray[np.int64]:
    """The anchors to ignore, ascending, [m].

    These are anchors with at least `CROWD_SHARE` of their area inside a crowd, the way COCO's evaluation treats
    detections there, and anchors whose IoU with a difficult object reaches the lowest threshold of matching.
    """
    over = np.zeros(len(anchors), bool)
    corners, areas = anchors.corners, anchors.areas
    for box in regions.crowd:
        sides = np.minimum(corners[:, 2:], box[2:]) - np.maximum(corners[:, :2], box[:2])
        over |= np.prod(np.maximum(sides, 0.0), axis=1) >= CROWD_SHARE * areas
    for box in regions.difficult:
        overlaps = iou(box[None], corners, other_areas=areas)[0].round(IOU_DECIMALS)
        over |= overlaps >= config.lowest_iou
    return np.flatnonzero(over)
