"""Targets of a view: which anchors are objects, of which class, and their offsets to the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, corners_to_centroids
from pipeline.geometry.ignore_regions import IgnoreRegions, find_anchors_over
from pipeline.geometry.matching import Matches, MatchingConfig
from pipeline.geometry.near_matching import match_views


@dataclass(frozen=True)
class Targets:
    """Sparse targets of one view, as a record holds them; anchors in neither list are background."""

    anchors: NDArray[np.int64]  # [n] ascending
    classes: NDArray[np.int64]  # [n]
    offsets: NDArray[np.float32]  # [n, 4] cy, cx, h, w
    ignored: NDArray[np.int64]  # [m] ascending
    objects: NDArray[np.int64]  # [n] the ground truth of each, an index into the view's boxes


def encode_offsets(
    ground_truths: Array, anchors: Array, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
) -> NDArray[np.float32]:
    """Offsets (cy, cx, h, w): (g_c − d_c) / d_size and log(g_size / d_size), each times its weight.

    Args:
        ground_truths: centroids in [0, 1], [n, 4].
        anchors: the anchor of each, centroids in [0, 1], [n, 4].
        weights: of cy, cx, h, w: the inverse of what SSD's code calls variances.

    Returns:
        [n, 4] float32, computed in float64 and rounded once. (SSD, arXiv 1512.02325, equation 2.)
    """
    sizes = anchors[:, 2:]
    offsets = np.empty(ground_truths.shape)
    np.divide(ground_truths[:, :2] - anchors[:, :2], sizes, out=offsets[:, :2])
    np.log(ground_truths[:, 2:] / sizes, out=offsets[:, 2:])
    offsets *= weights
    return offsets.astype(np.float32)


def encode_views(
    boxes: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.int64]],
    *,
    anchors: Anchors,
    matching: MatchingConfig,
    regions: Sequence[IgnoreRegions] | None = None,
) -> list[tuple[Targets, Matches]]:
    """Matches the ground truth of views of one or several images to the anchors, and encodes it.

    Args:
        boxes: of each view, finite corners in [0, 1], [G, 4] float32. This is what a record stores, so other types are
            rounded to it.
        labels: of each view, 0-based classes, [G].
        anchors: of the record set.
        matching: thresholds, forced matches, the coder's weights.
        regions: of each view, where anchors that match nothing are ignored. None: nowhere.

    Returns:
        The targets of each view, and the matches that they come from. They do not depend on the other views.
    """
    views = [np.asarray(b, np.float32).astype(np.float64) for b in boxes]
    all_matches = match_views(views, anchors, matching)
    if not views:
        return []
    if regions is not None:
        all_matches = [
            _ignore_more(m, find_anchors_over(r, anchors, matching)) if len(r) else m
            for m, r in zip(all_matches, regions, strict=True)
        ]
    # One call for all views: each has few matches, and every call of NumPy costs about a microsecond.
    matched = np.concatenate([view[m.ground_truths] for view, m in zip(views, all_matches, strict=True)])
    anchor = np.concatenate([m.anchors for m in all_matches])
    offsets = encode_offsets(corners_to_centroids(matched), anchors.centroids[anchor], matching.coder_weights)
    encoded, start = [], 0
    for view_labels, matches in zip(labels, all_matches, strict=True):
        stop = start + len(matches.anchors)
        objects = matches.ground_truths
        classes = np.asarray(view_labels, np.int64)[objects]
        encoded.append((Targets(matches.anchors, classes, offsets[start:stop], matches.ignored, objects), matches))
        start = stop
    return encoded


def _ignore_more(matches: Matches, over: NDArray[np.int64]) -> Matches:
    """Matches with more ignored anchors; what is matched stays matched."""
    return replace(matches, ignored=np.setdiff1d(np.union1d(matches.ignored, over), matches.anchors))
