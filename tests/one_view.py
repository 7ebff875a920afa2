"""Targets of a single view, for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import Matches, MatchingConfig
from pipeline.geometry.targets import Targets, encode_views


def encode_targets(
    boxes: NDArray[np.float32], labels: NDArray[np.int64], *, anchors: Anchors, matching: MatchingConfig
) -> tuple[Targets, Matches]:
    """`encode_views` for one view."""
    return encode_views([boxes], [labels], anchors=anchors, matching=matching)[0]
