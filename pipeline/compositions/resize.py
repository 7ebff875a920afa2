"""Scales pixels, and paints a view of an image on its canvas, without TensorFlow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.compositions.view import Shape, View

RgbImage = NDArray[np.uint8]  # [height, width, 3] RGB


def resize(image: RgbImage, shape: Shape) -> RgbImage:
    """Bilinear resize to a height and width. OpenCV's bit-exact form gives the same pixels on every CPU."""
    height, width = shape
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def shrink(image: RgbImage, shape: Shape) -> RgbImage:
    """Resize to a smaller height and width, for photographs: each pixel is the mean of those that it covers.

    Pillow computes in integers, so the pixels are the same on every CPU; OpenCV's mean of areas does not promise that.
    """
    height, width = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX), np.uint8)


def paint_view(image: RgbImage, view: View, *, canvas: Shape) -> RgbImage:
    """The canvas of a view of an image, for people to look at. -> [height, width, 3] uint8.

    An unscaled part has exactly the pixels that training shows. A scaled one may differ by a few levels, because
    training scales in reader/images.py.
    """
    shown, place = view.shown, view.place
    part = image[shown.ymin : shown.ymin + shown.height, shown.xmin : shown.xmin + shown.width]
    if shown.shape != place.shape:
        smaller = place.height <= shown.height and place.width <= shown.width
        part = (shrink if smaller else resize)(np.ascontiguousarray(part), place.shape)
    painted = np.zeros((*canvas, 3), np.uint8)
    target = painted[place.ymin : place.ymin + place.height, place.xmin : place.xmin + place.width]
    target[:] = part[:, ::-1] if view.mirrored else part
    return painted
