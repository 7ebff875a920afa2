"""A layout: the boxes of a stored image and its views, which is all that is known of it without decoding it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array
from pipeline.geometry.ignore_regions import IgnoreRegions, no_boxes
from pipeline.views.view import View, boxes_in_views

Truth = tuple[NDArray[np.float32], NDArray[np.int64]]  # corners in [0, 1] of the canvas, [K, 4]; labels, [K]


@dataclass(frozen=True)
class Layout:
    """The ground truth of a stored image, and the image's views."""

    corners: Array  # [G, 4] pixels of the stored image
    labels: NDArray[np.int64]  # [G]
    views: tuple[View, ...]
    crowd: Array = field(default_factory=no_boxes)  # [C, 4] regions of crowds, pixels of the stored image
    difficult: Array = field(default_factory=no_boxes)  # [D, 4] difficult objects

    @property
    def has_regions(self) -> bool:
        """Whether there are crowds or difficult objects."""
        return len(self.crowd) + len(self.difficult) > 0

    def truths(self, *, size: int) -> list[Truth]:
        """The ground truth in each view, on a canvas of `size` pixels."""
        return truths_of([self], size=size)[0]

    def regions(self, *, size: int) -> list[IgnoreRegions]:
        """Where each view shows crowds and difficult objects."""
        if not self.has_regions:
            return [IgnoreRegions()] * len(self.views)
        crowds, difficult = (
            boxes_in_views(self.views, [corners] * len(self.views), size=size, by_center=False)
            for corners in (self.crowd, self.difficult)
        )
        return [
            IgnoreRegions(crowd.astype(np.float64), difficult.astype(np.float64))
            for (crowd, _), (difficult, _) in zip(crowds, difficult, strict=True)
        ]


def truths_of(layouts: Sequence[Layout], *, size: int) -> list[list[Truth]]:
    """The ground truth in each view of each layout, on a canvas of `size` pixels."""
    views = [view for layout in layouts for view in layout.views]
    corners = [layout.corners for layout in layouts for _ in layout.views]
    placed = iter(boxes_in_views(views, corners, size=size))
    return [[(boxes, layout.labels[kept]) for boxes, kept in islice(placed, len(layout.views))] for layout in layouts]
