"""The rules of matching, on a full IoU table: objects that are forced on an anchor, then all that overlap enough.

IoU is rounded to 9 decimals before every comparison, so that the last bits of a division decide nothing. Ties go
to the lower ground truth, then to the lower anchor. An IoU of 0 never matches. `near_matching.py` follows the same
rules without the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import require, require_between
from pipeline.geometry.boxes import Array

IOU_DECIMALS = 9


FORCED = ("bipartite", "first", "last", "none")
MAX_WEIGHT = 1_000.0  # of a coder


@dataclass(frozen=True)
class MatchingConfig:
    """Which anchors are objects, and how their offsets are scaled."""

    positive_iou: float  # at or above this IoU, an anchor is an object
    ignore_iou: float | None  # at or above this IoU, an unmatched anchor is not background but ignored; None: never
    forced: str = "bipartite"  # which object has an anchor that is best for several: see `geometry/matching.py`
    coder_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # factors of offsets, cy, cx, h, w

    @property
    def lowest_iou(self) -> float:
        """The IoU from which an anchor is not simply background."""
        return self.positive_iou if self.ignore_iou is None else min(self.positive_iou, self.ignore_iou)

    def __post_init__(self) -> None:
        require(0 < self.positive_iou <= 1, "matching.positive_iou", "in (0, 1]", self.positive_iou)
        ignore = self.ignore_iou
        require(ignore is None or 0 < ignore <= 1, "matching.ignore_iou", "in (0, 1] or None", ignore)
        require(self.forced in FORCED, "matching.forced", f"one of {', '.join(FORCED)}", self.forced)
        for weight in self.coder_weights:
            require_between("matching.coder_weights", weight, 1 / MAX_WEIGHT, MAX_WEIGHT)


@dataclass(frozen=True)
class Matches:
    """The matched anchors of one view, and those to ignore."""

    anchors: NDArray[np.int64]  # [n] matched anchors, ascending
    ground_truths: NDArray[np.int64]  # [n] the ground truth of each
    ignored: NDArray[np.int64]  # [m] anchors that are neither object nor background, ascending
    best_iou: Array  # [G] the best rounded IoU of each ground truth with any anchor


def match(iou: Array, config: MatchingConfig) -> Matches:
    """Matches anchors to ground truths: the forced ones, then every other anchor with an IoU of `positive_iou` or more.

    The second pass gives an anchor to the ground truth that it overlaps most. An anchor that is still unmatched is
    ignored if its IoU with any ground truth is at least `ignore_iou`, if that is set.

    Args:
        iou: [G, N] float64, ground truths by anchors.
        config: thresholds, and which matches are forced.

    Source: SSD (arXiv 1512.02325) section 2.2, "Matching strategy"; the exercise of docs/baseline.md, `match_multi`.
    """
    none = np.zeros(0, np.int64)
    if len(iou) == 0:
        return Matches(none, none, none, np.zeros(0))
    rounded = np.round(iou, IOU_DECIMALS)
    if len(rounded) == 1:
        return _match_one(rounded[0], config)
    owner = rounded.argmax(axis=0)  # [N] the lower ground truth on a tie
    best = rounded.max(axis=0)  # [N]
    forced = force_matches(rounded, config.forced)  # [G]
    has_own = np.flatnonzero(forced >= 0)
    owner[forced[has_own]] = has_own
    best[forced[has_own]] = np.inf  # matched whatever the threshold
    candidates = np.flatnonzero(best >= config.lowest_iou)  # few: the others are background
    matched = best[candidates] >= config.positive_iou
    anchors = candidates[matched]
    return Matches(anchors, owner[anchors], candidates[~matched], rounded.max(axis=1))


def force_matches(iou: Array, rule: str) -> NDArray[np.int64]:
    """The anchors that ground truths have whatever the threshold.

    Args:
        iou: rounded IoU, [G, N], ground truths by anchors.
        rule: "bipartite": every ground truth has an anchor of its own, the best pair first. "first" and "last": each
            has its best anchor, and one that is best for several goes to the first or the last of them (TensorFlow's
            Object Detection API; torchvision and mmdetection). "none": none has.

    Returns:
        The anchor of each ground truth, or −1, [G]. No anchor is there twice.
    """
    if rule == "bipartite":
        return match_bipartite(iou)
    own = np.full(len(iou), -1, np.int64)
    if rule == "none" or iou.size == 0:
        return own
    taken = set()
    for ground_truth in range(len(iou)) if rule == "first" else reversed(range(len(iou))):
        anchor = int(iou[ground_truth].argmax())  # the lower anchor on a tie
        if iou[ground_truth, anchor] > 0.0 and anchor not in taken:
            own[ground_truth] = anchor
            taken.add(anchor)
    return own


def match_bipartite(iou: Array) -> NDArray[np.int64]:
    """Gives every ground truth one anchor of its own: the best pair of all first, then the best pair that is left.

    Args:
        iou: rounded IoU, [G, N], ground truths by anchors.

    Returns:
        The anchor of each ground truth, or −1 if no free anchor overlaps it, [G].

    Source: the exercise of docs/baseline.md, `match_bipartite_greedy`.
    """
    anchor_of = np.full(len(iou), -1, np.int64)
    if iou.size == 0:
        return anchor_of
    free = iou.copy()
    best_anchor = free.argmax(axis=1)  # [G]
    best = free[np.arange(len(free)), best_anchor]  # [G]
    for _ in range(len(free)):
        ground_truth = int(best.argmax())
        if best[ground_truth] <= 0.0:
            break
        anchor = int(best_anchor[ground_truth])
        anchor_of[ground_truth] = anchor
        best[ground_truth] = -1.0
        free[:, anchor] = 0.0
        for rival in np.flatnonzero((best_anchor == anchor) & (best > 0.0)):
            best_anchor[rival] = free[rival].argmax()
            best[rival] = free[rival, best_anchor[rival]]
    return anchor_of


def _match_one(rounded: Array, config: MatchingConfig) -> Matches:
    """`match` for a single ground truth, which is faster because there is no competition. [N] rounded IoU."""
    candidates = (rounded >= config.lowest_iou).nonzero()[0]
    matched = rounded[candidates] >= config.positive_iou
    anchors, ignored = candidates[matched], candidates[~matched]
    own = rounded.argmax()
    best = rounded[own]
    if len(anchors) == 0 and best > 0.0 and config.forced != "none":
        anchors, ignored = np.array([own]), ignored[ignored != own]
    return Matches(anchors, np.zeros(len(anchors), np.int64), ignored, np.array([best]))
