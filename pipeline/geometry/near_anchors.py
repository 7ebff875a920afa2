"""Anchors near a box: those whose IoU can reach a threshold, found without computing the IoU of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.geometry.anchor_grids import AnchorGrids
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, areas
from pipeline.geometry.precedence import Integers, to_billionths

# Anchors from this share of a box's best IoU on are near it, even below the threshold: the best one, and some others in
# case another box takes it.
_SHARE_OF_BEST = 0.75
# Thresholds are lowered by this much: far more than rounding can lift an IoU (5e-10), and too little to cost time.
_MARGIN = 1e-8
# IoU below this rounds to 0, which never matches.
_LEAST_IOU = 1e-10
# Replaces an overlap of 0 in divisions.
_TINY = 1e-100


@dataclass(frozen=True)
class NearPairs:
    """Pairs of a box and an anchor near it, and their IoU."""

    boxes: Integers  # [K] ascending
    anchors: Integers  # [K] in no particular order
    billionths: Integers  # [K] rounded IoU
    complete_from: Array  # [G] the pairs hold every anchor whose rounded IoU with the box is at least this


@dataclass(frozen=True)
class _Rectangles:
    """Rectangles of cells: for a box and a shape of anchor, the cells whose anchors are near the box."""

    boxes: Integers  # [P] ascending
    first: Integers  # [P] the anchor in the rectangle's first row and column
    counts: Integers  # [2, P] rows and columns, at least one of each
    steps: Integers  # [2, P] from an anchor's index to that in the next row, and in the next column


def near_pairs(boxes: Array, anchors: Anchors, *, least_iou: float) -> NearPairs:
    """Finds the anchors near each box: all whose rounded IoU is at least `least_iou`, and the best ones in any case.

    A few others are listed too: those in the corners of rectangles of cells.

    Args:
        boxes: finite corners, [G, 4] float64, in the anchors' unit; at least one.
        anchors: of the record set.
        least_iou: the lowest threshold, in (0, 1].
    """
    box_areas = areas(boxes)
    rectangles, complete_from = _near_rectangles(boxes, box_areas, anchors.grids, least_iou)
    box, columns, column_step = rectangles.boxes, rectangles.counts[1], rectangles.steps[1]
    first, rectangle = _runs(rectangles.first, rectangles.counts[0], rectangles.steps[0])  # [R] for each row of each
    box, columns, column_step = box[rectangle], columns[rectangle], column_step[rectangle]
    anchor, row = _runs(first, columns, column_step)  # [K]
    # As `boxes.iou` computes it, to the bit. All anchors of a rectangle's row overlap the box alike on y.
    corners, (ymin, xmin, ymax, xmax) = boxes.T, anchors.corners.T
    overlap = np.fmin(corners[2][box], ymax[first])
    overlap -= np.fmax(corners[0][box], ymin[first])
    box = box[row]
    width = np.fmin(corners[3][box], xmax[anchor])
    width -= np.fmax(corners[1][box], xmin[anchor])
    overlap = overlap[row]
    overlap *= width
    union = box_areas[box] + anchors.areas[anchor]
    union -= overlap
    overlap /= union
    return NearPairs(box, anchor, to_billionths(overlap), complete_from)


def _near_rectangles(boxes: Array, box_areas: Array, grids: AnchorGrids, least_iou: float) -> tuple[_Rectangles, Array]:
    """The rectangles of cells near each box, and from which IoU on they are complete, [G].

    A box overlaps an anchor by (overlap on y) × (overlap on x). Each factor is greatest in the row or column nearest to
    the box's centre, and falls linearly with distance from it once neither side contains the other. IoU is at least t
    exactly where the overlap is at least t / (1 + t) × (sum of both areas). So a row is near if it reaches this in the
    best column, and a column if it reaches this in the best row.
    """
    count, shapes = len(boxes), len(grids.areas)
    low, high = boxes.T.reshape(2, 2, count, 1)
    sizes = high - low  # [2, G, 1]
    center, reach, best = work = np.empty((3, 2, count, shapes))
    np.multiply(low + high, grids.cells / 2, out=center)
    center -= 0.5  # in cells; the centre of cell 0 is at 0
    distance = np.fmin(np.fmax(np.rint(center), 0.0), grids.cells - 1.0)  # the nearest row, the nearest column
    distance -= center
    np.abs(distance, out=distance)
    distance /= grids.cells
    np.add(sizes, grids.sizes, out=reach)
    reach *= 0.5  # centres further apart than this: no overlap
    np.subtract(reach, distance, out=best)  # the best overlap on y, and on x
    np.fmin(best, np.fmin(sizes, grids.sizes), out=best)
    np.fmax(best, _TINY, out=best)
    both_areas = np.fmax(box_areas, 0.0)[:, None] + grids.areas  # [G, S]
    overlap = best[0] * best[1]
    best_iou = overlap / (both_areas - overlap)
    complete_from = np.fmin(best_iou.max(axis=1, keepdims=True) * _SHARE_OF_BEST, least_iou)  # [G, 1]
    threshold = np.fmax(complete_from - _MARGIN, _LEAST_IOU)
    near = (best_iou >= threshold).ravel().nonzero()[0]  # pairs of a box and a shape: P of G · S

    box, shape = divmod(near, shapes)
    cells, steps = grids.cells[:, 0].take(shape, axis=1), grids.steps.take(shape, axis=1)  # [2, P]
    both_areas *= threshold / (1.0 + threshold)
    center, reach, best = work.reshape(3, 2, -1).take(near, axis=2)
    reach -= both_areas.ravel()[near] / best[::-1]  # centres further apart than this: too little overlap
    reach *= cells
    reach += _MARGIN
    first = np.fmax(np.ceil(center - reach), 0.0)
    counts = np.fmin(np.floor(center + reach), cells - 1.0) - first + 1.0
    offsets = first.astype(np.int64) * steps
    start = grids.first[shape] + offsets[0] + offsets[1]
    return _Rectangles(box, start, counts.astype(np.int64), steps), complete_from[:, 0]


def _runs(first: Integers, counts: Integers, steps: Integers) -> tuple[Integers, Integers]:
    """Concatenates arithmetic progressions. Returns their numbers, and the progression that each number is from.

    First numbers, counts and steps, each [n] -> two arrays [sum of counts].
    """
    run = np.arange(len(counts)).repeat(counts)
    start = first - (counts.cumsum() - counts) * steps
    return start[run] + np.arange(len(run)) * steps[run], run
