"""Targets of an example: which anchors are objects, of which class, and their offsets to the ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import MatchingConfig
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.boxes import Array, centroids_to_corners, corners_to_centroids, iou
from pipeline.geometry.matching import Matches, match


@dataclass(frozen=True)
class Targets:
    """Sparse targets of one picture, as a record holds them; anchors that are not named are background."""

    anchors: NDArray[np.int64]  # [n] ascending
    classes: NDArray[np.int64]  # [n]
    offsets: NDArray[np.float32]  # [n, 4] cy, cx, h, w
    ignored: NDArray[np.int64]  # [m] ascending


def centroids_to_offsets(ground_truths: Array, anchors: Array) -> NDArray[np.float32]:
    """Offsets (cy, cx, h, w): (g_c − d_c) / d_size and log(g_size / d_size), without variances.

    Args:
        ground_truths: centroids in [0, 1], [n, 4].
        anchors: the anchor of each, centroids in [0, 1], [n, 4].

    Returns:
        [n, 4] float32, computed in float64 and rounded once. (SSD, arXiv 1512.02325, equation 2.)
    """
    sizes = anchors[:, 2:]
    offsets = np.empty(ground_truths.shape)
    np.divide(ground_truths[:, :2] - anchors[:, :2], sizes, out=offsets[:, :2])
    np.log(ground_truths[:, 2:] / sizes, out=offsets[:, 2:])
    return offsets.astype(np.float32)


def offsets_to_corners(offsets: NDArray[np.float32], anchor_centroids: Array) -> Array:
    """The boxes that offsets stand for, the inverse of `centroids_to_offsets`.

    [n, 4] offsets, [n, 4] anchor centroids in [0, 1] -> [n, 4] corners in [0, 1], float64.
    """
    offsets = np.asarray(offsets, np.float64)
    sizes = anchor_centroids[..., 2:]
    centers = offsets[..., :2] * sizes + anchor_centroids[..., :2]
    return centroids_to_corners(np.concatenate([centers, np.exp(offsets[..., 2:]) * sizes], axis=-1))


def encode_targets(
    boxes: NDArray[np.float32], labels: NDArray[np.int64], *, anchors: Anchors, matching: MatchingConfig
) -> tuple[Targets, Matches]:
    """Matches a picture's ground truth to the anchors and encodes it.

    Args:
        boxes: corners in [0, 1], [G, 4] float32: exactly what the record stores (other types are rounded to it).
        labels: 0-based classes, [G].
        anchors: of the record set.
        matching: thresholds.

    Returns:
        The targets, and the matches that they come from.
    """
    corners = np.asarray(boxes, np.float32).astype(np.float64)
    matches = match(iou(corners, anchors.corners, other_areas=anchors.areas), matching)
    centroids = corners_to_centroids(corners)[matches.ground_truths]  # [n, 4]
    offsets = centroids_to_offsets(centroids, anchors.centroids[matches.anchors])
    classes = np.asarray(labels, np.int64)[matches.ground_truths]
    return Targets(matches.anchors, classes, offsets, matches.ignored), matches
