"""Paints a view of an image on its canvas, without TensorFlow."""

from __future__ import annotations

import numpy as np

from pipeline.views.collage import RgbImage, resize, shrink
from pipeline.views.view import View


def paint_view(image: RgbImage, view: View, *, size: int) -> RgbImage:
    """The canvas of a view of an image, for people to look at. -> [size, size, 3] uint8.

    An unscaled part has exactly the pixels that training shows. A scaled one may differ by a few levels, because
    training scales in reader/images.py.
    """
    shown, place = view.shown, view.place
    part = image[shown.ymin : shown.ymin + shown.height, shown.xmin : shown.xmin + shown.width]
    if (shown.height, shown.width) != (place.height, place.width):
        smaller = place.height <= shown.height and place.width <= shown.width
        part = (shrink if smaller else resize)(np.ascontiguousarray(part), place.height, place.width)
    canvas = np.zeros((size, size, 3), np.uint8)
    target = canvas[place.ymin : place.ymin + place.height, place.xmin : place.xmin + place.width]
    target[:] = part[:, ::-1] if view.mirrored else part
    return canvas
