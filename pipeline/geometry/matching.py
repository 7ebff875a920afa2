"""Matching of ground truth to anchors: greedy bipartite first, then every anchor that overlaps enough.

IoU is rounded to 9 decimals before every comparison, so that the last bits of a division decide nothing. Ties go
to the lower ground truth, then to the lower anchor. An IoU of 0 never matches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import MatchingConfig
from pipeline.geometry.boxes import Array

IOU_DECIMALS = 9


@dataclass(frozen=True)
class Matches:
    """Who matched whom; `anchors` ascending."""

    anchors: NDArray[np.int64]  # [n] matched anchors
    ground_truths: NDArray[np.int64]  # [n] the ground truth of each
    ignored: NDArray[np.int64]  # [m] anchors that are neither object nor background
    best_iou: Array  # [G] the best IoU of each ground truth with any anchor


def match_bipartite(iou: Array) -> NDArray[np.int64]:
    """Gives every ground truth one anchor of its own: the best pair of all first, then the best of what is left.

    Args:
        iou: rounded IoU, [G, N].

    Returns:
        [G] int64, the anchor of each ground truth, -1 where no free anchor overlaps it. (The notebook's
        `match_bipartite_greedy`.)
    """
    anchor_of = np.full(len(iou), -1, np.int64)
    if iou.size == 0:
        return anchor_of
    free = iou if len(iou) == 1 else iou.copy()
    best_anchor = free.argmax(axis=1)  # [G]
    best = free[np.arange(len(free)), best_anchor]  # [G]
    for _ in range(len(free)):
        ground_truth = int(best.argmax())
        if best[ground_truth] <= 0.0:
            break
        anchor = int(best_anchor[ground_truth])
        anchor_of[ground_truth] = anchor
        best[ground_truth] = -1.0
        if len(free) == 1:
            break
        free[:, anchor] = 0.0
        for rival in np.flatnonzero((best_anchor == anchor) & (best > 0.0)):
            best_anchor[rival] = free[rival].argmax()
            best[rival] = free[rival, best_anchor[rival]]
    return anchor_of


def match(iou: Array, config: MatchingConfig) -> Matches:
    """Matches anchors to ground truths: bipartite, then every other anchor from `positive_iou` its best one.

    Args:
        iou: [G, N] float64, ground truths by anchors.
        config: thresholds; an unmatched anchor of at least `ignore_iou` with any ground truth is ignored, if it is set.

    Source: SSD (arXiv 1512.02325) section 2.2, "Matching strategy"; the notebook's `match_multi`.
    """
    none = np.zeros(0, np.int64)
    if len(iou) == 0:
        return Matches(none, none, none, np.zeros(0))
    rounded = np.round(iou, IOU_DECIMALS)
    if len(rounded) == 1:
        best, owner = rounded[0].copy(), np.zeros(rounded.shape[1], np.int64)
    else:
        owner = rounded.argmax(axis=0)  # [N] the lower ground truth on a tie
        best = rounded.max(axis=0)  # [N]
    own_anchor = match_bipartite(rounded)  # [G]
    has_own = np.flatnonzero(own_anchor >= 0)
    owner[own_anchor[has_own]] = has_own
    best[own_anchor[has_own]] = np.inf  # matched whatever the threshold
    lowest = config.positive_iou if config.ignore_iou is None else min(config.positive_iou, config.ignore_iou)
    near = np.flatnonzero(best >= lowest)  # few: neither wholly background
    matched = best[near] >= config.positive_iou
    anchors = near[matched]
    return Matches(anchors, owner[anchors], near[~matched], rounded.max(axis=1))
