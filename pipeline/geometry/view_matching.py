"""Matching of many views in one call: from the table of every IoU for few boxes, over near anchors for more."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import Matches, MatchingConfig, match
from pipeline.geometry.near_matching import match_near

# Near matching takes nearly as long for one box as for ten, so the table is faster for up to this many views, if they
# have one box each, or few pairs of a box and an anchor.
_TABLE_VIEWS = 3
_TABLE_PAIRS = 12_000


def match_views(views: Sequence[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """Matches the ground truth of each view to the anchors, by the rules of `matching.py`.

    Args:
        views: the ground truth of each view, finite corners in [0, 1], [G, 4] float64.
        anchors: of the record set.
        config: thresholds.

    Returns:
        The matches of each view: the same however many views are matched together.
    """
    counts = [len(view) for view in views]
    most = max(counts, default=0)
    few = len(views) <= _TABLE_VIEWS and (most == 1 or sum(counts) * len(anchors) <= _TABLE_PAIRS)
    if few or not most:
        return [match(iou(view, anchors.corners, other_areas=anchors.areas), config) for view in views]
    return match_near(views, anchors, config)
