"""The objects of a source's image, as the source has them: what an evaluation in the image's own pixels needs.

A record stores them as one string of little-endian float64: for each object `ROW` numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array

ROW = 8  # ymin, xmin, ymax, xmax, label, crowd, difficult, area
_ROW_BYTES = 8 * ROW


class BrokenGroundTruth(ValueError):
    """A byte string that is not valid ground truth."""


@dataclass(frozen=True)
class GroundTruth:
    """The objects of an image, regions of crowds and difficult ones included."""

    corners: Array  # [G, 4] pixels of the source's image; a box may reach a little over its border
    labels: NDArray[np.int64]  # [G]
    crowd: NDArray[np.bool_]  # [G] a region of many objects (COCO)
    difficult: NDArray[np.bool_]  # [G] hard to recognise, and not counted (Pascal VOC)
    area: Array  # [G] square pixels: the source's own, or that of the box

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Which objects a detector must find, [G]."""
        return ~(self.crowd | self.difficult)


def pack_ground_truth(truth: GroundTruth) -> bytes:
    """Packs ground truth into the byte string that a record stores."""
    columns = [
        truth.corners,
        *(np.reshape(c, (-1, 1)) for c in (truth.labels, truth.crowd, truth.difficult, truth.area)),
    ]
    return np.concatenate(columns, axis=1).astype("<f8").tobytes()


def unpack_ground_truth(packed: bytes) -> GroundTruth:
    """The inverse of `pack_ground_truth`. Raises `BrokenGroundTruth` if it is cut off, or a value is impossible."""
    if len(packed) % _ROW_BYTES:
        raise BrokenGroundTruth(f"ground truth must have a multiple of {_ROW_BYTES} bytes, got {len(packed)}")
    rows = np.frombuffer(packed, "<f8").astype(np.float64).reshape(-1, ROW)
    labels, flags, area = rows[:, 4], rows[:, 5:7], rows[:, 7]
    if not np.isfinite(rows).all() or (rows[:, :2] >= rows[:, 2:4]).any() or (area < 0).any():
        raise BrokenGroundTruth("ground truth must have finite boxes and areas of at least 0, got others")
    whole = (labels >= 0) & (labels < 2**31) & (labels % 1 == 0)
    if not whole.all() or not np.isin(flags, (0, 1)).all():
        raise BrokenGroundTruth("ground truth must have whole labels of at least 0, and flags of 0 or 1, got others")
    return GroundTruth(rows[:, :4], labels.astype(np.int64), flags[:, 0] == 1, flags[:, 1] == 1, area)
