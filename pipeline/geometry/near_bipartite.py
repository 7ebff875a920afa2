"""Bipartite matching over near pairs: the same result as `match_bipartite`, without the table of every pair."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.near_anchors import NearPairs
from pipeline.geometry.precedence import BILLION, Integers, billionths_of, index_of, precedence, to_billionths


def match_bipartite_near(
    boxes: Array, view_of: Integers, pairs: NearPairs, anchors: Anchors
) -> tuple[Integers, Integers]:
    """Gives every ground truth one anchor of its own in its view: the best pair first, then the best of what is left.

    Args:
        boxes: corners in [0, 1], [G, 4].
        view_of: the view of each box, ascending, [G]. Boxes of different views may have the same anchor.
        pairs: the boxes' near anchors.
        anchors: of the record set.

    Returns:
        The anchor of each box, −1 where no free anchor overlaps it, and the best IoU of each box with any anchor,
        in billionths; [G] both.
    """
    first_choice = np.zeros(len(boxes), np.int64)
    np.maximum.at(first_choice, pairs.boxes, precedence(pairs.billionths, pairs.anchors))
    best = billionths_of(first_choice)
    own = np.where(best > 0, index_of(first_choice), -1)
    total = len(anchors)
    wanted = (own + view_of * total)[best > 0].tolist()  # anchors, numbered on through the views
    if len(set(wanted)) < len(wanted):
        for view in {anchor // total for anchor, count in Counter(wanted).items() if count > 1}:
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
    held = np.zeros(choices.anchor_count, np.int64)  # the precedence of each anchor's holder; 0 while it is free
    claims = precedence(billionths, rivals)
    np.maximum.at(held, wanted, claims)
    accepted = held[wanted] == claims
    holders = dict(zip(wanted[accepted].tolist(), rivals[accepted].tolist(), strict=True))
    waiting = rivals[~accepted].tolist()
    while waiting:
        box = waiting.pop()
        claim, anchor = choices.best(box, held)
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
        self.anchor_count = len(anchors)
        self._boxes, self._pairs, self._anchors = boxes, pairs, anchors
        self._all: dict[int, Integers] = {}  # the IoU of a box with all anchors, in billionths

    def best(self, box: int, held: Integers) -> tuple[int, int]:
        """The best anchor that does not refuse the box: the precedence of its claim there, and the anchor, or −1."""
        if box not in self._all:
            first, stop = self._pairs.boxes.searchsorted([box, box + 1])
            near = self._pairs.billionths[first:stop], self._pairs.anchors[first:stop]
            claim, anchor = _best(box, *near, held, least=max(1.0, self._pairs.complete_from[box] * BILLION))
            if anchor >= 0:
                return claim, anchor
            row = iou(self._boxes[box : box + 1], self._anchors.corners, other_areas=self._anchors.areas)
            self._all[box] = to_billionths(row[0])
        return _best(box, self._all[box], np.arange(self.anchor_count), held, least=1.0)


def _best(box: int, billionths: Integers, anchors: Integers, held: Integers, *, least: float) -> tuple[int, int]:
    claims = precedence(billionths, box)
    order = np.where((claims > held[anchors]) & (billionths >= least), precedence(billionths, anchors), -1)
    place = int(order.argmax()) if len(order) else -1
    if place < 0 or order[place] < 0:
        return 0, -1
    return int(claims[place]), int(anchors[place])
