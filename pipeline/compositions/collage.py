"""Collages: source images, resized and perhaps mirrored, side by side in one image, which moves over the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from pipeline.compositions.composition import (
    MAX_OBJECTS,
    Companions,
    Layout,
    PlacedImage,
    SourceImage,
    no_companions,
    require_canvas,
)
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.compositions.resize import RgbImage, resize
from pipeline.compositions.view import Rectangle, Shape, View, scale_to_side
from pipeline.errors import require

PLACEMENT_TRIES = 50


class Collage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="collage"):
    """Images of single objects, placed on a black canvas. Sizes are in pixels, ranges are (least, most).

    The first view shows the place that the objects were drawn for; those after it move them all together.
    """

    takes_boxes: ClassVar[bool] = False
    scales: ClassVar[bool] = False

    canvas: Shape  # height, width
    object_size: tuple[int, int]  # longer side of a placed image
    objects: tuple[int, int] = (1, 1)
    max_overlap: float = 0.0  # of two boxes, as a share of the smaller one's area
    flip: bool = False  # mirror training images left to right with probability one half

    def __post_init__(self) -> None:
        require_canvas("collage.canvas", self.canvas)
        (least, most), side = self.object_size, min(self.canvas)
        sort_entries = 0 < least <= most <= side
        require(sort_entries, "collage.object_size", f"0 < least <= most <= {side}", (least, most))
        fewest, most = self.objects
        some = 1 <= fewest <= most <= MAX_OBJECTS
        require(some, "collage.objects", f"1 <= least <= most <= {MAX_OBJECTS}", self.objects)
        require(0 <= self.max_overlap <= 1, "collage.max_overlap", "in [0, 1]", self.max_overlap)

    def describe(self) -> str:
        """The line in which commands tell it."""
        (least, most), (height, width) = self.object_size, self.canvas
        large = f"{least} to {most}" if least < most else f"{most}"
        return f"images of single objects: {large} pixels on canvases of {height} x {width} pixels"

    def on_canvas(self, canvas: Shape) -> Collage:
        """The same on another canvas; objects keep their sizes in pixels."""
        return replace(self, canvas=canvas)

    def for_detection(self) -> Letterbox:
        """How an image of any size is laid on the canvas when a detector looks at it."""
        return Letterbox(canvas=self.canvas)

    def layout(
        self,
        image: SourceImage,
        *,
        views: int,
        bits: EntryBits,
        companions: Companions = no_companions,
        evaluation: bool = False,
    ) -> Layout:
        """See `Composition`. Objects that find no place are left out, but the first always finds one."""
        own = bits.of_record()
        drawn: list[SourceImage] = []
        on_canvas: list[PlacedImage] = []
        for number in range(own.between(*self.objects)):
            drawn.append(companions(own) if number else image)
            # Evaluation draws this bit too, but never mirrors: `flip` must not change what is drawn next.
            mirrored = (self.flip or evaluation) and own.below(2) == 1
            place = self._find_place(drawn[-1].size, [other.place for other in on_canvas], own)
            if place is not None:
                on_canvas.append(PlacedImage(drawn[-1], place, mirrored and not evaluation))
        window = _enclose([placed.place for placed in on_canvas])
        placed = tuple(PlacedImage(p.image, _shift(p.place, -window.ymin, -window.xmin), p.mirrored) for p in on_canvas)
        return Layout(
            canvas=self.canvas,
            shape=window.shape,
            drawn=tuple(drawn),
            placed=placed,
            corners=np.array([_corners(p.place) for p in placed], np.float64),
            labels=np.array([p.image.label for p in placed], np.int64),
            views=self._views(window, views, bits),
        )

    def _views(self, window: Rectangle, count: int, bits: EntryBits) -> tuple[View, ...]:
        whole = Rectangle(0, 0, window.height, window.width)
        views = [View(whole, window, mirrored=False)]
        for number in range(1, count):
            own = bits.of_view(number)
            mirrored = self.flip and own.below(2) == 1
            views.append(View(whole, self._draw_place(window.shape, own), mirrored))
        return tuple(views)

    def _find_place(self, shape: Shape, taken: Sequence[Rectangle], bits: RandomBits) -> Rectangle | None:
        """Looks for a free place for an image of this shape, of which only the ratio matters.

        The longer side is drawn from `object_size`. None if all of `PLACEMENT_TRIES` places overlap too much.
        """
        scaled = scale_to_side(shape, bits.between(*self.object_size))
        for _ in range(PLACEMENT_TRIES):
            place = self._draw_place(scaled, bits)
            if all(compute_overlap(place, other) <= self.max_overlap for other in taken):
                return place
        return None

    def _draw_place(self, shape: Shape, bits: RandomBits) -> Rectangle:
        """A place on the canvas for an image of this height and width: its corner is drawn from [0, canvas − side)."""
        ymin, xmin = (bits.below(max(1, of - side)) for of, side in zip(self.canvas, shape, strict=True))
        return Rectangle(ymin, xmin, *shape)

    def paint(self, layout: Layout, images: Sequence[RgbImage]) -> RgbImage:
        """See `Composition`. Later images cover earlier ones."""
        patches = [
            resize(np.ascontiguousarray(image[:, ::-1]) if placed.mirrored else image, placed.place.shape)
            for placed, image in zip(layout.placed, images, strict=True)
        ]
        if len(patches) == 1:
            return patches[0]
        pixels = np.zeros((*layout.shape, 3), np.uint8)
        for placed, patch in zip(layout.placed, patches, strict=True):
            place = placed.place
            pixels[place.ymin : place.ymin + place.height, place.xmin : place.xmin + place.width] = patch
        return pixels


def make_collage(canvas: Shape) -> Collage:
    """A collage for images of single objects: one on each canvas, a quarter to a half of its shorter side."""
    side = min(canvas)
    return Collage(canvas=canvas, object_size=(max(1, side // 4), max(1, side // 2)), flip=True)


def compute_overlap(a: Rectangle, b: Rectangle) -> float:
    """The share of the smaller rectangle that the other covers, in [0, 1]."""
    height = min(a.ymin + a.height, b.ymin + b.height) - max(a.ymin, b.ymin)
    width = min(a.xmin + a.width, b.xmin + b.width) - max(a.xmin, b.xmin)
    return max(height, 0) * max(width, 0) / min(a.height * a.width, b.height * b.width)


def _enclose(places: Sequence[Rectangle]) -> Rectangle:
    """The smallest rectangle that holds all the given ones. There must be at least one."""
    ymin, xmin = min(p.ymin for p in places), min(p.xmin for p in places)
    ymax, xmax = max(p.ymin + p.height for p in places), max(p.xmin + p.width for p in places)
    return Rectangle(ymin, xmin, ymax - ymin, xmax - xmin)


def _shift(place: Rectangle, down: int, right: int) -> Rectangle:
    return Rectangle(place.ymin + down, place.xmin + right, place.height, place.width)


def _corners(place: Rectangle) -> tuple[int, int, int, int]:
    return place.ymin, place.xmin, place.ymin + place.height, place.xmin + place.width
