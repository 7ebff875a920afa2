"""The rules of `matching.py`, fast: many views in one call, over the anchors near each box. Begin at `match_views`.

A table holds the IoU of every box with every anchor, although most are 0. Here the cells whose anchors can reach the
lowest threshold are computed from the grids of the anchors, and only these pairs are looked at. Equal to `match`, to
the bit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, areas, iou
from pipeline.geometry.matching import IOU_DECIMALS, Matches, MatchingConfig, match

Integers = NDArray[np.int64]

# Near matching takes nearly as long for one box as for ten, so the table is faster for up to this many views, if they
# have one box each, or few pairs of a box and an anchor.
_TABLE_VIEWS = 3
_TABLE_PAIRS = 12_000
_MOST_BOXES = 4_096  # that are matched in one call, unless one view has more: each takes some kilobytes

BILLION = 10**IOU_DECIMALS  # the IoU 1; rounded IoU is kept as whole billionths, [0, 2³⁰)
_OWN = BILLION + 1  # more than any IoU: a forced anchor stays with its ground truth
_INDEX_BITS = 32
_LAST_INDEX = (1 << _INDEX_BITS) - 1

# Anchors from this share of a box's best IoU on are near it, even below the threshold: the best one, and some others in
# case another box takes it.
_SHARE_OF_BEST = 0.75
# Thresholds are lowered by this much: far more than rounding can lift an IoU (5e-10), and too little to cost time.
_MARGIN = 1e-8
_LEAST_IOU = 1e-10  # IoU below this rounds to 0, which never matches
_TINY = 1e-100  # replaces an overlap of 0 in divisions

_MOST_ROWS = 100  # of IoU with all anchors, for boxes that no near anchor accepts, before a view counts as crowded
_LEVELS = (0.5, 0.125, 0.03, 0.007, 0.0)  # of IoU, that a crowd is settled by: the pairs of one level fit into memory
_ROWS = 32  # boxes of a crowd whose IoU is computed together
_BLOCK = 1 << 13  # pairs of a crowd that are looked at together


def match_views(views: Sequence[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """Matches the ground truth of each view to the anchors, by the rules of `matching.py`.

    Args:
        views: the ground truth of each view, finite corners in [0, 1], [G, 4] float64.
        anchors: of the record set.
        config: thresholds, and which matches are forced.

    Returns:
        The matches of each view: the same however many views are matched together.
    """
    counts = [len(view) for view in views]
    most, total = max(counts, default=0), sum(counts)
    few = len(views) <= _TABLE_VIEWS and (most == 1 or total * len(anchors) <= _TABLE_PAIRS)
    if few or not most:
        return [match(iou(view, anchors.corners, other_areas=anchors.areas), config) for view in views]
    if total > _MOST_BOXES and len(views) > 1:
        half = len(views) // 2
        return match_views(views[:half], anchors, config) + match_views(views[half:], anchors, config)
    return match_near(views, anchors, config)


def match_near(views: Sequence[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """Matches every view's ground truth to the anchors near it; arguments as for `match_views`, with at least a box."""
    total = len(anchors)
    numbers = np.arange(len(views) + 1)
    boxes = np.concatenate(views)  # [B, 4], and from here on boxes are numbered through all views
    view_of = numbers[:-1].repeat([len(view) for view in views])
    box_starts = view_of.searchsorted(numbers)
    least_iou = config.lowest_iou
    pairs = find_near_pairs(boxes, anchors, least_iou=least_iou)
    own, best = _force_matches(boxes, view_of, pairs, anchors, config.forced)

    # Boxes claim their own anchor and all that they overlap enough. An anchor goes to the claim of highest rank.
    over = (pairs.billionths >= count_billionths(least_iou)).nonzero()[0]
    has_own = (own >= 0).nonzero()[0]
    claim = rank(pairs.billionths[over], pairs.boxes[over])
    claim = np.concatenate([claim, rank(np.full(len(has_own), _OWN), has_own)])
    anchor = np.concatenate([pairs.anchors[over], own[has_own]])
    anchor += view_of[np.concatenate([pairs.boxes[over], has_own])] * total  # numbered through all views too
    order = anchor.argsort()
    anchor = anchor[order]
    is_first = np.ones(len(anchor), bool)  # the first claim on an anchor
    np.not_equal(anchor[1:], anchor[:-1], out=is_first[1:])
    first = is_first.nonzero()[0]
    anchor = anchor[first]
    if len(first):
        claim = np.maximum.reduceat(claim[order], first)

    matched = billionths_of(claim) >= count_billionths(config.positive_iou)
    owner = index_of(claim[matched])
    owner -= box_starts[view_of[owner]]
    positive, ignored = anchor[matched], anchor[~matched]
    view_starts = numbers * total
    positive_starts, ignored_starts = positive.searchsorted(view_starts), ignored.searchsorted(view_starts)
    positive %= total
    ignored %= total
    best_iou = best / BILLION
    return [
        Matches(positive[p], owner[p], ignored[i], best_iou[b])
        for p, i, b in zip(_slice(positive_starts), _slice(ignored_starts), _slice(box_starts), strict=True)
    ]


def _slice(starts: Integers) -> Iterator[slice]:
    """The slice from each start to the next one."""
    borders = starts.tolist()
    return map(slice, borders[:-1], borders[1:])


# --- Rank: an IoU and an index in one integer. The largest is the best IoU and, on a tie, the lowest index.


def to_billionths(iou: Array) -> Integers:
    """IoU as `np.round(iou, 9)` rounds it, in billionths: `to_billionths(iou) / BILLION` is that to the bit."""
    return np.rint(iou * BILLION).astype(np.int64)


def count_billionths(threshold: float) -> int:
    """The fewest billionths whose IoU, as a float64, is at least a threshold in (0, 1]."""
    count = math.floor(threshold * BILLION) - 1
    while count / BILLION < threshold:
        count += 1
    return count


def rank(billionths: Integers, indices: Integers | int) -> Integers:
    """One integer for each IoU and index below 2³²; the larger goes first."""
    return (billionths << _INDEX_BITS) + (_LAST_INDEX - indices)


def billionths_of(ranks: Integers) -> Integers:
    """The IoU in each rank, in billionths."""
    return ranks >> _INDEX_BITS


def index_of(ranks: Integers) -> Integers:
    """The index in each rank."""
    return _LAST_INDEX - (ranks & _LAST_INDEX)


# --- Near pairs.


@dataclass(frozen=True)
class Grids:
    """The grids of S shapes; a *shape* is one box of one feature map, and has an anchor in every cell of that map.

    The first axis, where it has length 2, holds the values for rows (along y), then for columns (along x).
    """

    counts: Array  # [2, 1, S] rows and columns of the shape's map
    offsets: Array  # [2, 1, S] of the first centre from the canvas's edge, in cells
    cells: Array  # [2, 1, S] on a whole side of the canvas
    sizes: Array  # [2, 1, S] heights and widths
    areas: Array  # [S]; including any part outside the canvas
    first: Integers  # [S] the index of the anchor in row 0 and column 0
    steps: Integers  # [2, S] from an anchor's index to that in the next row, and in the next column


@lru_cache(maxsize=16)
def make_grids(anchors: Anchors) -> Grids:
    """The grid of each anchor shape."""
    shapes = [
        (start + number, feature_map, box)
        for start, feature_map in zip(anchors.map_starts, anchors.feature_maps, strict=False)
        for number, box in enumerate(feature_map.boxes)
    ]
    sizes = np.array([box for _, _, box in shapes], np.float64).T  # [2, S]

    def align(values: list[tuple[float, float]]) -> Array:
        return np.array(values, np.float64).T[:, None]

    return Grids(
        counts=align([m.size for _, m, _ in shapes]),
        offsets=align([m.centers.offset for _, m, _ in shapes]),
        cells=align([m.centers.cells for _, m, _ in shapes]),
        sizes=sizes[:, None],
        areas=sizes[0] * sizes[1],
        first=np.array([first for first, _, _ in shapes], np.int64),
        steps=np.array([(m.size[1] * len(m.boxes), len(m.boxes)) for _, m, _ in shapes], np.int64).T,
    )


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


def find_near_pairs(boxes: Array, anchors: Anchors, *, least_iou: float) -> NearPairs:
    """Finds the anchors near each box: all whose rounded IoU is at least `least_iou`, and the best ones in any case.

    A few others are listed too: those in the corners of rectangles of cells.

    Args:
        boxes: finite corners, [G, 4] float64, in the anchors' unit; at least one.
        anchors: of the record set.
        least_iou: the lowest threshold, in (0, 1].
    """
    box_areas = areas(boxes)
    rectangles, complete_from = _find_rectangles(boxes, box_areas, make_grids(anchors), least_iou)
    box, columns, column_step = rectangles.boxes, rectangles.counts[1], rectangles.steps[1]
    first, rectangle = _list_runs(rectangles.first, rectangles.counts[0], rectangles.steps[0])  # [R], each one's rows
    box, columns, column_step = box[rectangle], columns[rectangle], column_step[rectangle]
    anchor, row = _list_runs(first, columns, column_step)  # [K]
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


def _find_rectangles(boxes: Array, box_areas: Array, grids: Grids, least_iou: float) -> tuple[_Rectangles, Array]:
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
    center -= grids.offsets  # in cells; the centre of cell 0 is at 0
    distance = np.fmin(np.fmax(np.rint(center), 0.0), grids.counts - 1.0)  # the nearest row, the nearest column
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
    last = np.fmin(np.floor(center + reach), grids.counts[:, 0].take(shape, axis=1) - 1.0)
    counts = last - first + 1.0
    offsets = first.astype(np.int64) * steps
    start = grids.first[shape] + offsets[0] + offsets[1]
    return _Rectangles(box, start, counts.astype(np.int64), steps), complete_from[:, 0]


def _list_runs(first: Integers, counts: Integers, steps: Integers) -> tuple[Integers, Integers]:
    """Concatenates arithmetic progressions. Returns their numbers, and the progression that each number is from.

    First numbers, counts and steps, each [n] -> two arrays [sum of counts].
    """
    run = np.arange(len(counts)).repeat(counts)
    start = first - (counts.cumsum() - counts) * steps
    return start[run] + np.arange(len(run)) * steps[run], run


# --- Forced matches.


def _force_matches(
    boxes: Array, view_of: Integers, pairs: NearPairs, anchors: Anchors, rule: str
) -> tuple[Integers, Integers]:
    """`matching.force_matches` for the boxes of several views.

    Args:
        boxes: corners in [0, 1], [G, 4].
        view_of: the view of each box, ascending, [G]. Boxes of different views may have the same anchor.
        pairs: the boxes' near anchors.
        anchors: of the record set.
        rule: one of `FORCED`.

    Returns:
        The anchor of each box, −1 where it has none, and the best IoU of each box with any anchor, in billionths;
        [G] both.
    """
    first_choice = np.zeros(len(boxes), np.int64)
    np.maximum.at(first_choice, pairs.boxes, rank(pairs.billionths, pairs.anchors))
    best = billionths_of(first_choice)
    own = np.where(best > 0, index_of(first_choice), -1)
    total = len(anchors)
    if rule == "none":
        return np.full(len(boxes), -1, np.int64), best
    has_own = best.nonzero()[0]
    wanted = own[has_own] + view_of[has_own] * total  # anchors, numbered on through the views
    if rule in ("first", "last"):
        step = 1 if rule == "first" else -1
        winners = np.unique(wanted[::step], return_index=True)[1]  # the first of each anchor
        kept = has_own[::step][winners]
        forced = np.full(len(boxes), -1, np.int64)
        forced[kept] = own[kept]
        return forced, best
    if len(set(wanted.tolist())) < len(wanted):
        for view in {anchor // total for anchor, count in Counter(wanted.tolist()).items() if count > 1}:
            first, stop = view_of.searchsorted([view, view + 1])
            rivals = first + best[first:stop].nonzero()[0]
            own[rivals] = _settle(rivals, own[rivals], best[rivals], _Choices(boxes, pairs, anchors))
    return own, best


def _settle(rivals: Integers, wanted: Integers, billionths: Integers, choices: _Choices) -> Integers:
    """The anchors of a view's boxes where several want the same one.

    Deferred acceptance (Gale and Shapley, 1962): an anchor keeps the box that overlaps it most and refuses the others,
    which ask for the best anchor that does not refuse them. Boxes and anchors judge by one order of pairs (IoU, then
    box, then anchor), so exactly one outcome is stable, and "best pair first" leads there too. But here only the boxes
    that were refused cost time.

    Args:
        rivals: the boxes, [R] ascending.
        wanted: the best anchor of each, [R].
        billionths: its IoU, above 0, [R].
        choices: the other anchors of boxes.

    Returns:
        The anchor of each, [R], or −1.
    """
    held = np.zeros(len(choices.anchors), np.int64)  # the rank of each anchor's holder; 0 while it is free
    claims = rank(billionths, rivals)
    np.maximum.at(held, wanted, claims)
    accepted = held[wanted] == claims
    holders = dict(zip(wanted[accepted].tolist(), rivals[accepted].tolist(), strict=True))
    waiting = rivals[~accepted].tolist()
    while waiting:
        box = waiting.pop()
        claim, anchor = choices.find_best(box, held)
        if len(choices.rows) > _MOST_ROWS:
            return _settle_crowd(choices.boxes[rivals], choices.anchors)
        if anchor < 0:
            continue
        if anchor in holders:
            waiting.append(holders[anchor])
        held[anchor], holders[anchor] = claim, box
    own = np.full(len(rivals), -1, np.int64)
    own[np.searchsorted(rivals, list(holders.values()))] = list(holders)
    return own


class _Choices:
    """What a box may choose from: its near anchors, or all anchors once no near one accepts it."""

    def __init__(self, boxes: Array, pairs: NearPairs, anchors: Anchors) -> None:
        self.boxes, self.anchors = boxes, anchors
        self.rows: dict[int, Integers] = {}  # the IoU of a box with all anchors, in billionths
        self._pairs = pairs

    def find_best(self, box: int, held: Integers) -> tuple[int, int]:
        """The best anchor that does not refuse the box: the rank of its claim there, and the anchor, or −1."""
        if box not in self.rows:
            first, stop = self._pairs.boxes.searchsorted([box, box + 1])
            near = self._pairs.billionths[first:stop], self._pairs.anchors[first:stop]
            claim, anchor = _find_best(box, *near, held, least=max(1.0, self._pairs.complete_from[box] * BILLION))
            if anchor >= 0:
                return claim, anchor
            row = iou(self.boxes[box : box + 1], self.anchors.corners, other_areas=self.anchors.areas)
            self.rows[box] = to_billionths(row[0])
        return _find_best(box, self.rows[box], np.arange(len(self.anchors)), held, least=1.0)


def _find_best(box: int, billionths: Integers, anchors: Integers, held: Integers, *, least: float) -> tuple[int, int]:
    claims = rank(billionths, box)
    order = np.where((claims > held[anchors]) & (billionths >= least), rank(billionths, anchors), -1)
    place = int(order.argmax()) if len(order) else -1
    if place < 0 or order[place] < 0:
        return 0, -1
    return int(claims[place]), int(anchors[place])


def _settle_crowd(boxes: Array, anchors: Anchors) -> Integers:
    """The anchor of each box of a view, or −1, where very many boxes want the same ones. [R, 4] corners -> [R].

    Literally the best pair first, level by level of IoU: what is taken at one level is left out of the next.
    """
    own, free = np.full(len(boxes), -1, np.int64), np.ones(len(anchors), bool)
    most = _OWN
    for level in _LEVELS:
        least = max(1, int(level * BILLION))
        box, anchor, billionths = _list_pairs(boxes, anchors, (own < 0).nonzero()[0], free.nonzero()[0], least, most)
        order = np.negative(billionths).argsort(kind="stable")  # ties: lower box, then lower anchor
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            while len(block := block[(own[box[block]] < 0) & free[anchor[block]]]):
                # What is first both for its box and for its anchor is taken.
                places = np.arange(len(block))
                first_box, first_anchor = np.empty(len(boxes), np.int64), np.empty(len(anchors), np.int64)
                first_box[box[block[::-1]]] = first_anchor[anchor[block[::-1]]] = places[::-1]
                taken = block[(first_box[box[block]] == places) & (first_anchor[anchor[block]] == places)]
                own[box[taken]] = anchor[taken]
                free[anchor[taken]] = False
        most = least
    return own


def _list_pairs(
    boxes: Array, anchors: Anchors, waiting: Integers, free: Integers, least: int, most: int
) -> tuple[NDArray[np.int32], ...]:
    """The pairs of the given boxes and anchors with an IoU in [least, most) billionths, by box, then anchor.

    Returns boxes, anchors and billionths, each [K].
    """
    corners, anchor_areas = np.asfortranarray(anchors.corners[free]), anchors.areas[free]
    found = [np.zeros((3, 0), np.int32)]
    for start in range(0, len(waiting), _ROWS):
        rows = waiting[start : start + _ROWS]
        table = to_billionths(iou(boxes[rows], corners, other_areas=anchor_areas))
        row, column = ((table >= least) & (table < most)).nonzero()
        found.append(np.array([rows[row], free[column], table[row, column]], np.int32))
    return tuple(np.concatenate(found, axis=1))
