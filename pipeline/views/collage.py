"""Collages: source pictures, resized and perhaps flipped, on a black square; and the ground truth that results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import CanvasConfig
from pipeline.views.placement import Rectangle, Shape, boxes_of, place_objects
from pipeline.views.random_bits import RandomBits

Picture = NDArray[np.uint8]  # [height, width, 3] RGB


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
        return boxes_of(list(self.rectangles), self.size)

    def painted(self) -> Picture:
        """The whole canvas, [size, size, 3]."""
        return paint(self.size, self.size, self.window, self.pixels)


def paint(height: int, width: int, window: Rectangle, pixels: Picture) -> Picture:
    """A black picture of height x width pixels with the window painted in. -> [height, width, 3]."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[window.ymin : window.ymin + window.height, window.xmin : window.xmin + window.width] = pixels
    return picture


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Bilinear resize. OpenCV's bit-exact form gives the same pixels on every CPU. -> [height, width, 3]."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def make_canvas(
    config: CanvasConfig,
    picture: Picture,
    label: int,
    bits: RandomBits,
    companion: Callable[[RandomBits], tuple[Picture, int]] | None = None,
    *,
    evaluation: bool = False,
) -> Canvas:
    """Places a source picture on a canvas, with as many companions as `config.objects` asks for.

    Args:
        config: sizes and ranges.
        picture: [h, w, 3] uint8 RGB; it is placed first.
        label: its class.
        bits: the record's own random bits.
        companion: draws one more picture and its label; needed if `config.objects` allows several.
        evaluation: whether the canvas belongs to val or test; see `place_objects`.

    Returns:
        The canvas, with objects placed by `place_objects`. Later pictures cover earlier ones.
    """

    def draw(number: int, bits: RandomBits) -> tuple[Shape, tuple[Picture, int]]:
        if number == 0:
            return (picture.shape[0], picture.shape[1]), (picture, label)
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
    window, pixels = _compose(rectangles, patches)
    return Canvas(config.size, window, pixels, tuple(rectangles), np.array([p.what[1] for p in placed], np.int64))


def _compose(rectangles: list[Rectangle], patches: list[Picture]) -> tuple[Rectangle, Picture]:
    """The smallest window that holds all rectangles, and its pixels."""
    if len(patches) == 1:
        return rectangles[0], patches[0]
    ymin, xmin = min(r.ymin for r in rectangles), min(r.xmin for r in rectangles)
    height = max(r.ymin + r.height for r in rectangles) - ymin
    width = max(r.xmin + r.width for r in rectangles) - xmin
    pixels = np.zeros((height, width, 3), np.uint8)
    for r, patch in zip(rectangles, patches, strict=True):
        pixels[r.ymin - ymin : r.ymin - ymin + r.height, r.xmin - xmin : r.xmin - xmin + r.width] = patch
    return Rectangle(ymin, xmin, height, width), pixels
