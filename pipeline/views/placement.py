"""Placement: where the objects of a canvas go, from random bits alone. No pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.config.records_config import CanvasConfig
from pipeline.views.random_bits import RandomBits

T = TypeVar("T")
Shape = tuple[int, int]  # height, width, pixels

PLACEMENT_TRIES = 50


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels of the canvas; `ymin` and `xmin` inside."""

    ymin: int
    xmin: int
    height: int
    width: int


@dataclass(frozen=True)
class Placed(Generic[T]):
    """An object and its place."""

    rectangle: Rectangle
    flipped: bool  # left-right, before it was placed
    what: T


def overlap_share(a: Rectangle, b: Rectangle) -> float:
    """The share of the smaller rectangle that the other covers, in [0, 1]."""
    height = min(a.ymin + a.height, b.ymin + b.height) - max(a.ymin, b.ymin)
    width = min(a.xmin + a.width, b.xmin + b.width) - max(a.xmin, b.xmin)
    return max(height, 0) * max(width, 0) / min(a.height * a.width, b.height * b.width)


def scaled_shape(shape: Shape, side: int) -> Shape:
    """The shape of a picture whose longer side is scaled to `side` pixels: rounded, halves up, at least 1."""
    longer = max(shape)
    height, width = (max(1, (2 * side * n + longer) // (2 * longer)) for n in shape)
    return height, width


def place_rectangle(
    config: CanvasConfig, shape: tuple[int, int], placed: list[Rectangle], bits: RandomBits
) -> Rectangle | None:
    """A free place for a picture of `shape` (height, width; only the ratio counts), or None if none is found.

    Its longer side is drawn from `object_size`, its corner from [0, canvas − side), as in the notebook.
    """
    side = bits.between(*config.object_size)
    height, width = scaled_shape(shape, side)
    for _ in range(PLACEMENT_TRIES):
        ymin, xmin = bits.below(max(1, config.size - height)), bits.below(max(1, config.size - width))
        rectangle = Rectangle(ymin, xmin, height, width)
        if all(overlap_share(rectangle, other) <= config.max_overlap for other in placed):
            return rectangle
    return None


def place_objects(
    config: CanvasConfig,
    draw: Callable[[int, RandomBits], tuple[Shape, T]],
    bits: RandomBits,
    *,
    evaluation: bool = False,
) -> list[Placed[T]]:
    """Places as many objects as `config.objects` asks for, one after the other.

    Args:
        config: sizes and ranges.
        draw: gives the shape of object number n (from 0) and the object, from the bits if it is drawn.
        bits: the example's own random bits.
        evaluation: whether the canvas belongs to val or test. Such a canvas is the same whatever training does.

    Returns:
        The objects in the order in which they are painted. One for which no place is found within the overlap
        limit is left out, so there are between 1 and the number drawn. In training, where `config.flip` is set, each
        is flipped with probability one half.
    """
    placed: list[Placed[T]] = []
    for number in range(bits.between(*config.objects)):
        shape, what = draw(number, bits)
        # Evaluation draws the flip and leaves it, so that `config.flip` does not move what is drawn next.
        drawn = (config.flip or evaluation) and bits.below(2) == 1
        rectangle = place_rectangle(config, shape, [p.rectangle for p in placed], bits)
        if rectangle is not None:
            placed.append(Placed(rectangle, drawn and not evaluation, what))
    return placed


def boxes_of(rectangles: list[Rectangle], size: int) -> NDArray[np.float32]:
    """Corners in [0, 1] of a canvas of `size` pixels, [G, 4] float32, as a record stores them."""
    corners = [(r.ymin, r.xmin, r.ymin + r.height, r.xmin + r.width) for r in rectangles]
    return (np.array(corners, np.float64).reshape(-1, 4) / size).astype(np.float32)
