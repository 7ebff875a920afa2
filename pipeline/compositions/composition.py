"""The protocol of compositions, what they are given, and the layout that they make: all that needs no pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Rectangle, Shape, View, move_boxes_to_views
from pipeline.errors import require_between
from pipeline.geometry.anchors import MAX_CANVAS
from pipeline.geometry.boxes import Array
from pipeline.geometry.ignore_regions import IgnoreRegions, no_boxes

MAX_OBJECTS = 10_000  # of an image or a canvas
MAX_IMAGE = 65_500  # pixels of a side; no JPEG is larger

Truth = tuple[NDArray[np.float32], NDArray[np.int64]]  # corners in [0, 1] of the canvas, [K, 4]; labels, [K]


@dataclass(frozen=True)
class GroundTruth:
    """The objects of an image, regions of crowds, difficult and ignored ones included."""

    corners: Array  # [G, 4] pixels of the source's image; a box may reach a little over its border
    labels: NDArray[np.int64]  # [G]
    crowd: NDArray[np.bool_]  # [G] a region of many objects (COCO)
    difficult: NDArray[np.bool_]  # [G] hard to recognise, and not counted (Pascal VOC)
    ignored: NDArray[np.bool_]  # [G] neither object nor background
    area: Array  # [G] square pixels: the source's own, or that of the box

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_target(self) -> NDArray[np.bool_]:
        """Which objects a detector must find, [G]."""
        return ~(self.crowd | self.difficult | self.ignored)


def no_objects() -> GroundTruth:
    """The ground truth of an image without objects, or of one of which none are known."""
    none = np.zeros(0, bool)
    return GroundTruth(np.zeros((0, 4)), np.zeros(0, np.int64), none, none, none, np.zeros(0))


@dataclass(frozen=True)
class SourceImage:
    """What a source says of an image, and its size."""

    size: Shape  # height and width of the upright image, pixels
    label: int | None = None  # of an image that is itself the object
    truth: GroundTruth | None = None  # of an image that shows objects
    image_id: str | None = None  # the source's number of the image, if it has one
    reference: str = field(default="", compare=False)  # tells the source where the pixels are


@dataclass(frozen=True)
class PlacedImage:
    """A source's image, and where it lies in the stored image."""

    image: SourceImage
    place: Rectangle  # pixels of the stored image; the source's image is scaled to fill it
    mirrored: bool = False  # left to right


@dataclass(frozen=True)
class Layout:
    """Where everything lies: source images in the stored image, and the stored image in each view."""

    canvas: Shape  # height and width of the canvases, pixels
    shape: Shape  # height and width of the stored image, pixels
    drawn: tuple[SourceImage, ...]  # every image that was asked for, in order; the entry's own comes first
    placed: tuple[PlacedImage, ...]  # those that found a place, in painting order
    corners: Array  # [G, 4] of objects, pixels of the stored image
    labels: NDArray[np.int64]  # [G]
    views: tuple[View, ...]
    crowd: Array = field(default_factory=no_boxes)  # [C, 4] regions of crowds, pixels of the stored image
    difficult: Array = field(default_factory=no_boxes)  # [D, 4] difficult and ignored objects
    too_small: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # ground truth left out

    def truths(self) -> list[Truth]:
        """The ground truth in each view."""
        return place_truths([self])[0]

    def regions(self) -> list[IgnoreRegions]:
        """Where each view shows crowds and difficult objects."""
        if not len(self.crowd) + len(self.difficult):
            return [IgnoreRegions()] * len(self.views)
        crowds, difficult = (
            move_boxes_to_views(self.views, [corners] * len(self.views), canvas=self.canvas, by_center=False)
            for corners in (self.crowd, self.difficult)
        )
        return [
            IgnoreRegions(crowd.astype(np.float64), difficult.astype(np.float64))
            for (crowd, _), (difficult, _) in zip(crowds, difficult, strict=True)
        ]


def place_truths(layouts: Sequence[Layout]) -> list[list[Truth]]:
    """The ground truth in each view of each layout. All have the same canvas."""
    if not layouts:
        return []
    views = [view for layout in layouts for view in layout.views]
    corners = [layout.corners for layout in layouts for _ in layout.views]
    placed = iter(move_boxes_to_views(views, corners, canvas=layouts[0].canvas))
    return [[(boxes, layout.labels[kept]) for boxes, kept in islice(placed, len(layout.views))] for layout in layouts]


Companions = Callable[[RandomBits], SourceImage]  # draws one more image of the entry's split


def no_companions(bits: RandomBits) -> SourceImage:
    """Stands for companions where a composition asks for none."""
    raise ValueError("this composition needs companions, and none were given")


class Composition(Protocol):
    """How images become canvases: a frozen struct with its settings, which a record set's configuration stores.

    A layout depends on the settings, the image, its companions and the entry's bits alone, so the job, `verify`, the
    evaluation and the measurement of coverage all get the same one.
    """

    takes_boxes: ClassVar[bool]  # whether images show objects with boxes; otherwise each is itself the object
    scales: ClassVar[bool]  # whether a view scales what it shows to its place; otherwise it is only moved

    @property
    def canvas(self) -> Shape:
        """Height and width of the canvases, pixels."""

    @property
    def flip(self) -> bool:
        """Whether training views may be mirrored left to right."""

    def layout(
        self,
        image: SourceImage,
        *,
        views: int,
        bits: EntryBits,
        companions: Companions = no_companions,
        evaluation: bool = False,
    ) -> Layout:
        """Where everything lies.

        Args:
            image: the entry's own.
            views: how many.
            bits: of the entry.
            companions: draws one more image.
            evaluation: whether the entry is of val or test, which training settings must not change.
        """

    def describe(self) -> str:
        """The line in which commands tell it."""

    def on_canvas(self, canvas: Shape) -> Composition:
        """The same on another canvas."""

    def for_detection(self) -> Composition:
        """How an image of any size is laid on the canvas when a detector looks at it."""

    def paint(self, layout: Layout, images: Sequence[RgbImage]) -> RgbImage:
        """The stored image of a layout, from the upright pixels of its placed images. -> [*layout.shape, 3] uint8."""


def require_canvas(name: str, canvas: Shape) -> None:
    """Raises `UserError` that begins with `name` if a side of a canvas is beyond the limits."""
    for side in canvas:
        require_between(name, side, 1, MAX_CANVAS)
