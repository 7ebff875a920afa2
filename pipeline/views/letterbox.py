"""Letterbox: a picture with boxes of its own, scaled to fit the canvas, aspect ratio kept, at the upper left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array
from pipeline.views.collage import Picture, resize
from pipeline.views.placement import Rectangle, scaled_shape


@dataclass(frozen=True)
class Transform:
    """From pixels of the source to pixels of the canvas: `y · scale_y + offset_y`, `x · scale_x + offset_x`.

    `scale_x` is negative if the picture was flipped left to right.
    """

    scale_y: float
    scale_x: float
    offset_y: float
    offset_x: float


@dataclass(frozen=True)
class FittedPicture:
    """A picture as it lies on the canvas, with its boxes."""

    window: Rectangle
    pixels: Picture  # [window.height, window.width, 3]
    boxes: NDArray[np.float32]  # [G, 4] corners in [0, 1] of the canvas
    transform: Transform


def fit_picture(picture: Picture, corners: Array, *, size: int, flipped: bool) -> FittedPicture:
    """Scales a picture and its boxes until the longer side is the canvas's.

    Args:
        picture: [h, w, 3] uint8 RGB.
        corners: boxes in pixels of the picture, [G, 4].
        size: of the square canvas, pixels.
        flipped: left to right, before scaling.
    """
    height, width = picture.shape[:2]
    boxes, window, transform = fit_boxes(corners, (height, width), size=size, flipped=flipped)
    source = np.ascontiguousarray(picture[:, ::-1] if flipped else picture)
    return FittedPicture(window, resize(source, window.height, window.width), boxes, transform)


def fit_boxes(
    corners: Array, shape: tuple[int, int], *, size: int, flipped: bool
) -> tuple[NDArray[np.float32], Rectangle, Transform]:
    """The boxes, window and transform of `fit_picture` from the picture's shape (height, width) alone."""
    height, width = shape
    window = Rectangle(0, 0, *scaled_shape(shape, size))
    scale_y, scale_x = window.height / height, window.width / width
    transform = Transform(scale_y, -scale_x if flipped else scale_x, 0.0, float(window.width) if flipped else 0.0)
    corners = np.asarray(corners, np.float64).reshape(-1, 4)
    y = corners[:, 0::2] * transform.scale_y + transform.offset_y  # [G, 2]
    x = np.sort(corners[:, 1::2] * transform.scale_x + transform.offset_x, axis=1)  # [G, 2] a flip swaps the sides
    boxes = np.stack([y[:, 0], x[:, 0], y[:, 1], x[:, 1]], axis=1) / size
    return np.clip(boxes, 0.0, 1.0).astype(np.float32), window, transform
