"""Canvas: source pictures, resized and perhaps flipped, placed on a black square. What it paints, it also says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import CanvasConfig
from pipeline.random_bits import RandomBits

Picture = NDArray[np.uint8]  # [height, width, 3] RGB
PLACEMENT_TRIES = 50


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels of the canvas; `ymin` and `xmin` inside."""

    ymin: int
    xmin: int
    height: int
    width: int


@dataclass(frozen=True)
class Canvas:
    """The window of the canvas that is not black, and the ground truth."""

    size: int  # pixels, both ways
    window: Rectangle
    pixels: Picture  # [window.height, window.width, 3]
    rectangles: tuple[Rectangle, ...]  # [G]
    labels: NDArray[np.int64]  # [G]

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Corners in [0, 1] of the canvas, [G, 4] float32, as a record stores them."""
        corners = [(r.ymin, r.xmin, r.ymin + r.height, r.xmin + r.width) for r in self.rectangles]
        return (np.array(corners, np.float64).reshape(-1, 4) / self.size).astype(np.float32)

    def painted(self) -> Picture:
        """The whole canvas, [size, size, 3]."""
        return paint(self.size, self.size, self.window, self.pixels)


def paint(height: int, width: int, window: Rectangle, pixels: Picture) -> Picture:
    """A black picture of the given size, pixels, with the window painted. -> [height, width, 3]."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[window.ymin : window.ymin + window.height, window.xmin : window.xmin + window.width] = pixels
    return picture


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Bilinear, in OpenCV's bit-exact form: the same pixels on every processor. -> [height, width, 3]."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def overlap_share(a: Rectangle, b: Rectangle) -> float:
    """The share of the smaller rectangle that the other covers, in [0, 1]."""
    height = min(a.ymin + a.height, b.ymin + b.height) - max(a.ymin, b.ymin)
    width = min(a.xmin + a.width, b.xmin + b.width) - max(a.xmin, b.xmin)
    return max(height, 0) * max(width, 0) / min(a.height * a.width, b.height * b.width)


def place_rectangle(
    config: CanvasConfig, shape: tuple[int, int], placed: list[Rectangle], bits: RandomBits
) -> Rectangle | None:
    """A free place for a picture of `shape` (height, width; only the ratio counts), or None if none is found.

    Its longer side is drawn from `object_size`, its corner from [0, canvas − side), as in the notebook.
    """
    side = bits.between(*config.object_size)
    longer = max(shape)
    height, width = (max(1, (2 * side * n + longer) // (2 * longer)) for n in shape)
    for _ in range(PLACEMENT_TRIES):
        ymin, xmin = bits.below(max(1, config.size - height)), bits.below(max(1, config.size - width))
        rectangle = Rectangle(ymin, xmin, height, width)
        if all(overlap_share(rectangle, other) <= config.max_overlap for other in placed):
            return rectangle
    return None


def make_canvas(
    config: CanvasConfig,
    picture: Picture,
    label: int,
    bits: RandomBits,
    companion: Callable[[RandomBits], tuple[Picture, int]] | None = None,
) -> Canvas:
    """Places a source picture, and as many companions as `config.objects` asks for, on a canvas.

    Args:
        config: sizes and ranges.
        picture: [h, w, 3] uint8 RGB, always placed first.
        label: its class.
        bits: the example's own random bits.
        companion: draws one more picture and its label; needed where `config.objects` allows several.

    Returns:
        The canvas. A companion for which no place is found within the overlap limit is left out, so there are
        between 1 and the number of objects drawn. Later pictures lie over earlier ones. Each picture is flipped
        left-right, with probability one half where `config.flip` is set, before it is placed.
    """
    count = bits.between(*config.objects)
    rectangles: list[Rectangle] = []
    patches: list[Picture] = []
    labels: list[int] = []
    for number in range(count):
        if number > 0:
            if companion is None:
                raise ValueError(f"companion must be given for {count} objects, got None")
            picture, label = companion(bits)
        flipped = config.flip and bits.below(2) == 1
        rectangle = place_rectangle(config, (picture.shape[0], picture.shape[1]), rectangles, bits)
        if rectangle is None:
            continue
        source = np.ascontiguousarray(picture[:, ::-1]) if flipped else picture
        rectangles.append(rectangle)
        patches.append(resize(source, rectangle.height, rectangle.width))
        labels.append(label)
    return _compose(config.size, rectangles, patches, labels)


def _compose(size: int, rectangles: list[Rectangle], patches: list[Picture], labels: list[int]) -> Canvas:
    ymin, xmin = min(r.ymin for r in rectangles), min(r.xmin for r in rectangles)
    height = max(r.ymin + r.height for r in rectangles) - ymin
    width = max(r.xmin + r.width for r in rectangles) - xmin
    window = Rectangle(ymin, xmin, height, width)
    if len(patches) == 1:
        pixels = patches[0]
    else:
        pixels = np.zeros((height, width, 3), np.uint8)
        for r, patch in zip(rectangles, patches, strict=True):
            pixels[r.ymin - ymin : r.ymin - ymin + r.height, r.xmin - xmin : r.xmin - xmin + r.width] = patch
    return Canvas(size, window, pixels, tuple(rectangles), np.array(labels, np.int64))
