"""Letterbox: an image with boxes of its own, scaled to fit the canvas, at the upper left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from pipeline.compositions.composition import (
    MAX_IMAGE,
    Companions,
    Layout,
    PlacedImage,
    SourceImage,
    no_companions,
    require_canvas,
)
from pipeline.compositions.crop import Crop, draw_window
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.resize import RgbImage, shrink
from pipeline.compositions.view import Rectangle, Shape, View, move_boxes_to_view, scale_to_side, show_window
from pipeline.errors import require_between
from pipeline.geometry.boxes import Array


class Letterbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="letterbox"):
    """Images with boxes of their own, scaled to fit a black canvas, aspect ratio kept.

    The first view shows the whole image; those after it are cropped and mirrored at random.
    """

    takes_boxes: ClassVar[bool] = True
    scales: ClassVar[bool] = True

    canvas: Shape  # height, width, pixels
    image_side: int | None = None  # the most pixels of a stored image's longer side; None: as the source has it
    crop: Crop | None = Crop()  # how views after the first are cropped; None: each shows the whole image
    flip: bool = True  # mirror views after the first left to right with probability one half
    stretch: bool = False  # fill the canvas, as torchvision and the TF Object Detection API do; aspect ratio lost
    interpolation: Literal["antialiased"] = "antialiased"  # how views are scaled to their places

    def __post_init__(self) -> None:
        require_canvas("letterbox.canvas", self.canvas)
        if self.image_side is not None:
            require_between("letterbox.image_side", self.image_side, 1, MAX_IMAGE)

    def describe(self) -> str:
        """The line in which commands tell it."""
        height, width = self.canvas
        return f"images with boxes: {'stretched' if self.stretch else 'scaled'} to fit {height} x {width} pixels"

    def on_canvas(self, canvas: Shape) -> Letterbox:
        """The same on another canvas; stored images are limited in proportion."""
        side = self.image_side and max(1, self.image_side * max(canvas) // max(self.canvas))
        return replace(self, canvas=canvas, image_side=side)

    def for_detection(self) -> Letterbox:
        """How an image of any size is laid on the canvas when a detector looks at it."""
        return self

    def stored_shape(self, shape: Shape) -> Shape:
        """Height and width of the stored image, pixels: the source's own, unless its longer side is above the limit."""
        side = self.image_side
        return shape if side is None or max(shape) <= side else scale_to_side(shape, side)

    def layout(
        self,
        image: SourceImage,
        *,
        views: int,
        bits: EntryBits,
        companions: Companions = no_companions,
        evaluation: bool = False,
    ) -> Layout:
        """See `Composition`. Objects too small to have an area on the canvas are left out, and named."""
        truth = image.truth
        if truth is None:
            raise ValueError("a letterbox needs an image with boxes, got one without")
        stored = self.stored_shape(image.size)
        corners = np.clip(truth.corners, 0.0, np.tile(np.array(image.size, np.float64), 2))
        corners = corners * np.tile(np.array(stored, np.float64) / image.size, 2)
        whole = self._show(Rectangle(0, 0, *stored), stored, mirrored=False)
        _, seen = move_boxes_to_view(whole, corners, canvas=self.canvas, by_center=False)
        has_area = np.zeros(len(truth), bool)
        has_area[seen] = True
        objects = truth.is_target & has_area
        others = (truth.difficult | truth.ignored) & ~truth.crowd & has_area
        return Layout(
            canvas=self.canvas,
            shape=stored,
            drawn=(image,),
            placed=(PlacedImage(image, Rectangle(0, 0, *stored)),),
            corners=corners[objects],
            labels=truth.labels[objects],
            views=self._views(stored, corners[objects], views, bits),
            crowd=corners[truth.crowd & has_area],
            difficult=corners[others],
            too_small=np.flatnonzero(~has_area),
        )

    def _views(self, shape: Shape, corners: Array, count: int, bits: EntryBits) -> tuple[View, ...]:
        whole = Rectangle(0, 0, *shape)
        views = [self._show(whole, shape, mirrored=False)]
        for number in range(1, count):
            own = bits.of_view(number)
            window = draw_window(self.crop, shape, corners, own) if self.crop else whole
            views.append(self._show(window, shape, mirrored=self.flip and own.below(2) == 1))
        return tuple(views)

    def _show(self, window: Rectangle, shape: Shape, *, mirrored: bool) -> View:
        return show_window(window, shape, canvas=self.canvas, mirrored=mirrored, stretch=self.stretch)

    def paint(self, layout: Layout, images: Sequence[RgbImage]) -> RgbImage:
        """See `Composition`: the image itself, or a smaller copy."""
        (image,) = images
        return image if image.shape[:2] == layout.shape else shrink(image, layout.shape)
