"""Collages: source images, resized and perhaps flipped, side by side in one image, which moves over the canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.config.records_config import Collage
from pipeline.geometry.boxes import Array
from pipeline.views.placement import Rectangle, Shape, draw_place, place_objects
from pipeline.views.random_bits import BitsOf, RandomBits
from pipeline.views.view import View

RgbImage = NDArray[np.uint8]  # [height, width, 3] RGB


@dataclass(frozen=True)
class Composed:
    """Objects in one image, the smallest that holds them all, and where it lies on the canvas."""

    window: Rectangle  # pixels of the canvas
    pixels: RgbImage  # [window.height, window.width, 3]
    rectangles: tuple[Rectangle, ...]  # [G] pixels of the canvas
    labels: NDArray[np.int64]  # [G]

    @property
    def corners(self) -> Array:
        """The objects' boxes in pixels of the image, [G, 4] float64."""
        return corners_in(self.window, self.rectangles)


def resize(image: RgbImage, height: int, width: int) -> RgbImage:
    """Bilinear resize. OpenCV's bit-exact form gives the same pixels on every CPU. -> [height, width, 3]."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def shrink(image: RgbImage, height: int, width: int) -> RgbImage:
    """Resize to a smaller size, for photographs: each pixel is the mean of those that it covers. -> [height, width, 3].

    Pillow computes in integers, so the pixels are the same on every CPU; OpenCV's mean of areas does not promise that.
    """
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX), np.uint8)


def compose(
    config: Collage,
    image: RgbImage,
    label: int,
    bits: RandomBits,
    companion: Callable[[RandomBits], tuple[RgbImage, int]] | None = None,
    *,
    evaluation: bool = False,
) -> Composed:
    """Places a source image on a canvas, with as many companions as `config.objects` asks for.

    Args:
        config: sizes and ranges.
        image: [h, w, 3] uint8 RGB; it is placed first.
        label: its class.
        bits: the record's own random bits.
        companion: draws one more image and its label; needed if `config.objects` allows several.
        evaluation: whether the canvas belongs to val or test; see `place_objects`.

    Returns:
        The objects, placed by `place_objects`. Later images cover earlier ones.
    """

    def draw(number: int, bits: RandomBits) -> tuple[Shape, tuple[RgbImage, int]]:
        if number == 0:
            return (image.shape[0], image.shape[1]), (image, label)
        if companion is None:
            raise ValueError(f"companion must be given for {config.objects} objects, got None")
        other, its_label = companion(bits)
        return (other.shape[0], other.shape[1]), (other, its_label)

    placed = place_objects(config, draw, bits, evaluation=evaluation)
    rectangles = [p.rectangle for p in placed]
    patches = []
    for p in placed:
        source = np.ascontiguousarray(p.what[0][:, ::-1]) if p.flipped else p.what[0]
        patches.append(resize(source, p.rectangle.height, p.rectangle.width))
    labels = np.array([p.what[1] for p in placed], np.int64)
    window = window_of(rectangles)
    if len(patches) == 1:
        return Composed(window, patches[0], tuple(rectangles), labels)
    pixels = np.zeros((window.height, window.width, 3), np.uint8)
    for r, patch in zip(rectangles, patches, strict=True):
        ymin, xmin = r.ymin - window.ymin, r.xmin - window.xmin
        pixels[ymin : ymin + r.height, xmin : xmin + r.width] = patch
    return Composed(window, pixels, tuple(rectangles), labels)


def window_of(rectangles: Sequence[Rectangle]) -> Rectangle:
    """The smallest rectangle that holds all the given ones. There must be at least one."""
    ymin, xmin = min(r.ymin for r in rectangles), min(r.xmin for r in rectangles)
    ymax, xmax = max(r.ymin + r.height for r in rectangles), max(r.xmin + r.width for r in rectangles)
    return Rectangle(ymin, xmin, ymax - ymin, xmax - xmin)


def corners_in(window: Rectangle, rectangles: Sequence[Rectangle]) -> Array:
    """Corners of rectangles in pixels of the window that holds them, [G, 4] float64."""
    corners = np.array([(r.ymin, r.xmin, r.ymin + r.height, r.xmin + r.width) for r in rectangles], np.float64)
    return corners - np.array([window.ymin, window.xmin, window.ymin, window.xmin], np.float64)


def collage_views(config: Collage, window: Rectangle, *, count: int, bits_of: BitsOf) -> tuple[View, ...]:
    """The views of a composed image: the place that its objects were drawn for, then `count` - 1 other places.

    Args:
        config: sizes, and whether other views are mirrored with probability one half.
        window: where the image lies first, pixels of the canvas.
        count: of views.
        bits_of: the random bits of a view.
    """
    whole = Rectangle(0, 0, window.height, window.width)
    views = [View(whole, window, mirrored=False)]
    for number in range(1, count):
        bits = bits_of(number)
        mirrored = config.flip and bits.below(2) == 1
        views.append(View(whole, draw_place(config, (window.height, window.width), bits), mirrored))
    return tuple(views)
