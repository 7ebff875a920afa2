"""Letterbox: an image with boxes of its own, scaled to fit the canvas, aspect ratio kept, at the upper left."""

from __future__ import annotations

from pipeline.config.records_config import Letterbox
from pipeline.geometry.boxes import Array
from pipeline.views.crop import draw_window
from pipeline.views.placement import Rectangle, Shape, scaled_shape
from pipeline.views.random_bits import BitsOf
from pipeline.views.view import View, view_of_window


def stored_shape(config: Letterbox, shape: Shape) -> Shape:
    """Height and width of the stored image, pixels: the source's own, unless its longer side is above the limit."""
    side = config.image_side
    return shape if side is None or max(shape) <= side else scaled_shape(shape, side)


def letterbox_views(
    config: Letterbox, shape: Shape, corners: Array, *, count: int, bits_of: BitsOf
) -> tuple[View, ...]:
    """The views of an image: first the whole of it, then `count` - 1 that are cropped and mirrored at random.

    Args:
        config: size of the canvas, how to crop, and whether to mirror with probability one half.
        shape: height and width of the stored image, pixels.
        corners: boxes in pixels of the stored image, [G, 4].
        count: of views.
        bits_of: the random bits of a view.
    """
    whole = Rectangle(0, 0, *shape)
    views = [view_of_window(whole, shape, size=config.size, mirrored=False)]
    for number in range(1, count):
        bits = bits_of(number)
        window = draw_window(config.crop, shape, corners, bits) if config.crop else whole
        mirrored = config.flip and bits.below(2) == 1
        views.append(view_of_window(window, shape, size=config.size, mirrored=mirrored))
    return tuple(views)
