"""How well anchors fit boxes, by the size of the boxes, and how well any anchors on the same maps could."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import MAX_ANCHORS, Anchors, Centers, place_centers
from pipeline.geometry.boxes import Array, areas, corners_to_centroids, iou
from pipeline.geometry.matching import IOU_DECIMALS

GOOD_IOU = 0.5
SIZES = (0, 8, 12, 16, 32, 96)  # canvas pixels where each group begins; a box's size is the square root of its area
GROUP_NAMES = (
    f"below {SIZES[1]}",
    *(f"{least} to {most}" for least, most in pairwise(SIZES[1:])),
    f"from {SIZES[-1]}",
)
POSITIVES_SAMPLE = 1_000

_FINEST_STRIDE = 4  # of the maps that a proposal may add, pixels
_WORTH_A_MAP = 0.05  # share of the boxes that a new map must bring into reach
_ROOM = 4  # anchors per cell that must fit into `MAX_ANCHORS` in all
_CHUNK = 16  # boxes at a time: their IoU with thousands of anchors stays in the CPU's cache


@dataclass(frozen=True)
class AnchorFit:
    """How well a set of anchors fits boxes. The groups are those of `SIZES`."""

    anchors: int
    boxes_by_size: tuple[int, ...]
    covered_by_size: tuple[int, ...]  # boxes whose best IoU is at least `GOOD_IOU`
    positives_per_map: tuple[float, ...]  # anchors of IoU `positive_iou` or more, per box

    @property
    def boxes(self) -> int:
        """All boxes."""
        return sum(self.boxes_by_size)

    @property
    def covered(self) -> float:
        """The share of boxes whose best IoU is at least `GOOD_IOU`; 1 if there are none."""
        return self.covered_from(0)

    @property
    def positives(self) -> float:
        """Anchors of IoU `positive_iou` or more, per box."""
        return sum(self.positives_per_map)

    def lines(self) -> list[str]:
        """The lines that report this fit."""
        groups = zip(GROUP_NAMES, self.boxes_by_size, self.covered_by_size, strict=True)
        sizes = [f"{name} {covered / count:.1%} of {count:,}" for name, count, covered in groups if count]
        return [
            f"coverage on {self.boxes:,} boxes: best IoU of at least {GOOD_IOU} for {self.covered:.1%}; "
            f"{self.summary()}",
            *([f"  by size in pixels: {', '.join(sizes)}"] if sizes else []),
        ]

    def summary(self) -> str:
        """Anchors, and positives by map."""
        maps = ", ".join(f"{n:.1f}" for n in self.positives_per_map)
        return f"{self.anchors:,} anchors, {self.positives:.1f} positives a box, by map {maps}"

    def covered_from(self, size: int) -> float:
        """The share of covered boxes among those of at least `size` pixels, one of `SIZES`; 1 if there are none."""
        first = SIZES.index(size)
        count = sum(self.boxes_by_size[first:])
        return sum(self.covered_by_size[first:]) / count if count else 1.0


def measure_fit(
    boxes: NDArray[np.floating], anchors: Anchors, *, canvas: tuple[int, int], positive_iou: float
) -> AnchorFit:
    """How well anchors fit boxes, [G, 4] corners in [0, 1] of a canvas (height, width in pixels).

    Positives are counted for at most `POSITIVES_SAMPLE` boxes, evenly spaced in their order.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    covered = find_covered(boxes, anchors)
    groups = group_sizes(boxes, canvas)
    step = max(1, math.ceil(len(boxes) / POSITIVES_SAMPLE))
    return AnchorFit(
        anchors=len(anchors),
        boxes_by_size=_count(groups),
        covered_by_size=_count(groups[covered]),
        positives_per_map=_count_positives(boxes[::step], anchors, positive_iou),
    )


def find_covered(boxes: NDArray[np.floating], anchors: Anchors) -> NDArray[np.bool_]:
    """Whether the best IoU of each box with any anchor is at least `GOOD_IOU`. [G, 4] corners in [0, 1] -> [G]."""
    best = _find_best_iou(np.asarray(boxes, np.float64).reshape(-1, 4), anchors)
    return np.asarray(best.round(IOU_DECIMALS) >= GOOD_IOU)


def group_sizes(boxes: Array, canvas: tuple[int, int]) -> NDArray[np.int64]:
    """The group of each box, an index into `SIZES`, [G]. Corners in [0, 1] of a canvas (height, width in pixels)."""
    height, width = canvas
    sizes = np.sqrt(np.maximum(areas(boxes), 0.0)) * math.sqrt(height * width)
    return np.searchsorted(SIZES, sizes.round(IOU_DECIMALS), side="right").astype(np.int64) - 1


def count_coverable(boxes: Array, *, canvas: tuple[int, int], strides: Sequence[int]) -> tuple[int, ...]:
    """How many boxes of each group of `SIZES` could be covered at most, if each had an anchor shape made for it.

    Anchors sit at the centres of cells. A box much smaller than a cell may lie so far from every centre that no
    anchor of any shape has an IoU of `GOOD_IOU` with it.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    best = np.zeros(len(boxes))
    for stride in strides:
        best = np.maximum(best, _find_best_possible_iou(boxes, divide_canvas(canvas, stride)))
    return _count(group_sizes(boxes, canvas)[best.round(IOU_DECIMALS) >= GOOD_IOU])


def divide_canvas(canvas: tuple[int, int], stride: int) -> tuple[int, int]:
    """The rows and columns of a map: ⌈height / stride⌉ and ⌈width / stride⌉."""
    height, width = canvas
    return math.ceil(height / stride), math.ceil(width / stride)


def add_finer_maps(boxes: Array, *, canvas: tuple[int, int], strides: Sequence[int]) -> tuple[int, ...]:
    """The strides, ascending, preceded by those of finer maps if many boxes are too small for the given maps.

    Halves the finest stride, down to `_FINEST_STRIDE`, as long as the new map brings at least `_WORTH_A_MAP` of the
    boxes into reach (see `count_coverable`) and every cell of all maps can still have `_ROOM` anchors.
    """
    chosen, count = tuple(sorted(set(strides))), max(len(boxes), 1)
    reach = sum(count_coverable(boxes, canvas=canvas, strides=chosen))
    while chosen[0] >= 2 * _FINEST_STRIDE:
        finer = (chosen[0] // 2, *chosen)
        if _ROOM * sum(math.prod(divide_canvas(canvas, stride)) for stride in finer) > MAX_ANCHORS:
            break
        further = sum(count_coverable(boxes, canvas=canvas, strides=finer))
        if further - reach < _WORTH_A_MAP * count:
            break
        chosen, reach = finer, further
    return chosen


def measure_distances(points: Array, size: tuple[int, int], centers: Centers) -> Array:
    """How far points are from the nearest centre of a map's cells, on y and on x, [G, 2].

    Args:
        points: y and x in [0, 1], [G, 2].
        size: rows and columns of the map.
        centers: where the centres of its cells lie.
    """
    offset, cells = np.array(centers.offset), np.array(centers.cells)
    nearest = np.clip(np.floor(points * cells - (offset - 0.5)), 0, np.array(size) - 1)
    return np.abs(points - (nearest + offset) / cells)


def iou_at_distance(sizes: Array, distances: Array, anchor_sizes: Array) -> Array:
    """IoU of boxes with anchors whose centres are some way off.

    Args:
        sizes: height and width of the boxes, [..., 2].
        distances: of the centres, on y and on x, [..., 2].
        anchor_sizes: height and width, [..., 2].
    """
    # For numbers without NaN, fmin and fmax give the same as minimum and maximum in less time.
    overlap = np.fmin(np.fmin(sizes, anchor_sizes), (sizes + anchor_sizes) / 2 - distances)
    overlap = np.fmax(overlap, 0.0)
    shared = overlap[..., 0] * overlap[..., 1]
    both = sizes[..., 0] * sizes[..., 1] + anchor_sizes[..., 0] * anchor_sizes[..., 1]
    return np.asarray(shared / (both - shared))


def _find_best_iou(boxes: Array, anchors: Anchors) -> Array:
    """The best IoU of each box with any anchor, [G]. Of the anchors of one shape, the nearest overlaps most."""
    centroids = corners_to_centroids(boxes)
    best = np.zeros(len(boxes))
    for feature_map in anchors.feature_maps:
        distances = measure_distances(centroids[:, :2], feature_map.size, feature_map.centers)
        for shape in feature_map.boxes:
            best = np.fmax(best, iou_at_distance(centroids[:, 2:], distances, np.array(shape)))
    return best


def _count_positives(boxes: Array, anchors: Anchors, positive_iou: float) -> tuple[float, ...]:
    """Anchors of IoU `positive_iou` or more per box, by map."""
    positives = np.zeros(len(anchors), np.int64)
    for start in range(0, len(boxes), _CHUNK):
        overlaps = iou(boxes[start : start + _CHUNK], anchors.corners, other_areas=anchors.areas)
        positives += (overlaps.round(IOU_DECIMALS) >= positive_iou).sum(axis=0)
    starts = anchors.map_starts
    return tuple(float(positives[a:b].sum() / max(len(boxes), 1)) for a, b in pairwise(starts))


def _find_best_possible_iou(boxes: Array, size: tuple[int, int]) -> Array:
    """The best IoU of each box with an anchor of whatever shape, in the nearest cell of a map (rows, columns), [G].

    On each axis the best anchor either just contains the box or just lies inside of it: it is longer or shorter by
    twice the distance of the centres. In between, overlap and union are linear in its length, so the IoU is monotonic.
    """
    centroids = corners_to_centroids(boxes)
    sizes = np.maximum(centroids[:, 2:], 1e-9)
    distances = measure_distances(centroids[:, :2], size, place_centers(*size))
    best = np.zeros(len(boxes))
    for change in ((-2, -2), (-2, 2), (2, -2), (2, 2)):
        anchor = np.maximum(sizes + distances * change, 1e-9)
        best = np.fmax(best, iou_at_distance(sizes, distances, anchor))
    return best


def _count(groups: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.bincount(groups, minlength=len(SIZES)).tolist())
