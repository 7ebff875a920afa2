"""Matching over near pairs: the rules of `matching.py` for many views in one call, without the table of every IoU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array
from pipeline.geometry.matching import Matches, MatchingConfig, lowest_threshold
from pipeline.geometry.near_anchors import near_pairs
from pipeline.geometry.near_bipartite import match_bipartite_near
from pipeline.geometry.precedence import BILLION, Integers, billionths_of, index_of, least_billionths, precedence

_OWN = BILLION + 1  # more than any IoU: an anchor that bipartite matching gave away stays with its ground truth


def match_near(views: Sequence[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """Matches every view's ground truth to the anchors near it. Equal to `matching.match`, to the bit.

    Args:
        views: the ground truth of each view, finite corners in [0, 1], [G, 4] float64; at least one box in all.
        anchors: of the record set.
        config: thresholds.
    """
    total = len(anchors)
    numbers = np.arange(len(views) + 1)
    boxes = np.concatenate(views)  # [B, 4], and from here on boxes are numbered through all views
    view_of = numbers[:-1].repeat([len(view) for view in views])
    box_starts = view_of.searchsorted(numbers)
    least_iou = lowest_threshold(config)
    pairs = near_pairs(boxes, anchors, least_iou=least_iou)
    own, best = match_bipartite_near(boxes, view_of, pairs, anchors)

    # Boxes claim their own anchor and all that they overlap enough. An anchor goes to the claim of highest precedence.
    over = (pairs.billionths >= least_billionths(least_iou)).nonzero()[0]
    has_own = (own >= 0).nonzero()[0]
    claim = precedence(pairs.billionths[over], pairs.boxes[over])
    claim = np.concatenate([claim, precedence(np.full(len(has_own), _OWN), has_own)])
    anchor = np.concatenate([pairs.anchors[over], own[has_own]])
    anchor += view_of[np.concatenate([pairs.boxes[over], has_own])] * total  # numbered through all views too
    order = anchor.argsort()
    anchor = anchor[order]
    is_first = np.ones(len(anchor), bool)  # the first claim on an anchor
    np.not_equal(anchor[1:], anchor[:-1], out=is_first[1:])
    first = is_first.nonzero()[0]
    anchor = anchor[first]
    claim = np.maximum.reduceat(claim[order], first)

    matched = billionths_of(claim) >= least_billionths(config.positive_iou)
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
        for p, i, b in zip(_slices(positive_starts), _slices(ignored_starts), _slices(box_starts), strict=True)
    ]


def _slices(starts: Integers) -> Iterator[slice]:
    """The slice from each start to the next one."""
    borders = starts.tolist()
    return map(slice, borders[:-1], borders[1:])
