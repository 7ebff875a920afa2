"""Lays an image with boxes of its own on the canvas: when its record is made, and again when that is verified."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import Letterbox
from pipeline.geometry.boxes import Array
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.layout import Layout
from pipeline.views.letterbox import letterbox_views, stored_shape
from pipeline.views.placement import Shape
from pipeline.views.random_bits import BitsOf
from pipeline.views.view import boxes_in_view


def letterbox_layout(
    config: Letterbox, truth: GroundTruth, source: Shape, *, count: int, bits_of: BitsOf
) -> tuple[Layout, NDArray[np.int64]]:
    """The layout of an image in `count` views.

    Args:
        config: size of the canvas and of stored images, and how to crop.
        truth: the image's objects, in pixels of the source's image.
        source: height and width of the source's image, pixels.
        count: of views.
        bits_of: the random bits of a view.

    Returns:
        The layout; and which objects of `truth` are too small to have an area on the canvas: they are left out.
    """
    stored = stored_shape(config, source)
    scale = np.tile(np.array(stored, np.float64) / source, 2)
    corners = np.clip(truth.corners, 0.0, np.tile(np.array(source, np.float64), 2)) * scale
    whole = letterbox_views(config, stored, corners, count=1, bits_of=bits_of)[0]
    _, seen = boxes_in_view(whole, corners, size=config.size, by_center=False)
    has_area = np.zeros(len(truth), bool)
    has_area[seen] = True

    def chosen(which: NDArray[np.bool_]) -> Array:
        return corners[which & has_area]

    targets = chosen(truth.is_target)
    views = letterbox_views(config, stored, targets, count=count, bits_of=bits_of)
    layout = Layout(
        targets,
        truth.labels[truth.is_target & has_area],
        views,
        crowd=chosen(truth.crowd),
        difficult=chosen(truth.difficult & ~truth.crowd),
    )
    return layout, np.flatnonzero(~has_area)
