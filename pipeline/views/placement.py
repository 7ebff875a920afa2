"""Where the objects of a collage go: drawn from random bits, without looking at a pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.config.records_config import Collage
from pipeline.views.random_bits import RandomBits

T = TypeVar("T")
Shape = tuple[int, int]  # height, width, pixels

PLACEMENT_TRIES = 50


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels: rows `ymin` to `ymin + height - 1`, columns `xmin` to `xmin + width - 1`."""

    ymin: int
    xmin: int
    height: int
    width: int


@dataclass(frozen=True)
class Placed(Generic[T]):
    """An object and its place."""

    rectangle: Rectangle
    flipped: bool  # left to right
    what: T


def overlap_share(a: Rectangle, b: Rectangle) -> float:
    """The share of the smaller rectangle that the other covers, in [0, 1]."""
    height = min(a.ymin + a.height, b.ymin + b.height) - max(a.ymin, b.ymin)
    width = min(a.xmin + a.width, b.xmin + b.width) - max(a.xmin, b.xmin)
    return max(height, 0) * max(width, 0) / min(a.height * a.width, b.height * b.width)


def scaled_shape(shape: Shape, side: int) -> Shape:
    """The shape of an image once its longer side is `side` pixels: rounded, halves up, at least 1 x 1."""
    longer = max(shape)
    height, width = (max(1, (2 * side * n + longer) // (2 * longer)) for n in shape)
    return height, width


def draw_place(config: Collage, shape: Shape, bits: RandomBits) -> Rectangle:
    """A place on the canvas for an image of this height and width: its corner is drawn from [0, canvas − side)."""
    height, width = shape
    ymin, xmin = bits.below(max(1, config.size - height)), bits.below(max(1, config.size - width))
    return Rectangle(ymin, xmin, height, width)


def place_rectangle(
    config: Collage, shape: tuple[int, int], placed: list[Rectangle], bits: RandomBits
) -> Rectangle | None:
    """Looks for a free place for an image of `shape`: height and width, of which only the ratio matters.

    The longer side is drawn from `object_size`, the corner from [0, canvas − side). Returns None if no place within
    the overlap limit turns up in `PLACEMENT_TRIES` draws.
    """
    side = bits.between(*config.object_size)
    height, width = scaled_shape(shape, side)
    for _ in range(PLACEMENT_TRIES):
        rectangle = draw_place(config, (height, width), bits)
        if all(overlap_share(rectangle, other) <= config.max_overlap for other in placed):
            return rectangle
    return None


def place_objects(
    config: Collage,
    draw: Callable[[int, RandomBits], tuple[Shape, T]],
    bits: RandomBits,
    *,
    evaluation: bool = False,
) -> list[Placed[T]]:
    """Places as many objects as `config.objects` asks for, one by one.

    Args:
        config: sizes and ranges.
        draw: the shape of object number n, counted from 0, and the object itself; may draw from the bits.
        bits: the record's own random bits.
        evaluation: whether the canvas belongs to val or test. Training settings do not affect these canvases.

    Returns:
        The objects in painting order. Objects that find no place are left out, but the first always finds one. For
        training, if `config.flip` is set, each is flipped with probability one half.
    """
    placed: list[Placed[T]] = []
    for number in range(bits.between(*config.objects)):
        shape, what = draw(number, bits)
        # Evaluation draws this bit too, but never flips: `config.flip` must not change what is drawn next.
        drawn = (config.flip or evaluation) and bits.below(2) == 1
        rectangle = place_rectangle(config, shape, [p.rectangle for p in placed], bits)
        if rectangle is not None:
            placed.append(Placed(rectangle, drawn and not evaluation, what))
    return placed
