"""The inverse of the targets' offsets, in float64: what decoders and losses are compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array, centroids_to_corners


def offsets_to_corners(offsets: NDArray[np.float32], anchor_centroids: Array) -> Array:
    """The boxes that offsets describe: the inverse of `encode_offsets`.

    [n, 4] offsets, [n, 4] anchor centroids in [0, 1] -> [n, 4] corners in [0, 1], float64.
    """
    offsets = np.asarray(offsets, np.float64)
    sizes = anchor_centroids[..., 2:]
    centers = offsets[..., :2] * sizes + anchor_centroids[..., :2]
    return centroids_to_corners(np.concatenate([centers, np.exp(offsets[..., 2:]) * sizes], axis=-1))
