"""A view: which part of an image is shown, where that part lies on the canvas, and where that puts the boxes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array

Shape = tuple[int, int]  # height, width, pixels


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels: rows `ymin` to `ymin + height - 1`, columns `xmin` to `xmin + width - 1`."""

    ymin: int
    xmin: int
    height: int
    width: int

    @property
    def shape(self) -> Shape:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class View:
    """The part of an image that is shown, scaled to fill its place on the canvas. Both are whole pixels."""

    shown: Rectangle  # pixels of the image
    place: Rectangle  # pixels of the canvas
    mirrored: bool  # left to right, within its place


def scale_to_side(shape: Shape, side: int) -> Shape:
    """The shape of an image once its longer side is `side` pixels: rounded, halves up, at least 1 x 1."""
    longer = max(shape)
    height, width = (max(1, (2 * side * n + longer) // (2 * longer)) for n in shape)
    return height, width


def show_window(window: Rectangle, shape: Shape, *, canvas: Shape, mirrored: bool, stretch: bool = False) -> View:
    """Shows a window of an image as large as the canvas allows, at the canvas's upper left.

    Args:
        window: pixels of the image. It may reach outside of it: there the canvas keeps its fill colour.
        shape: height and width of the image, pixels.
        canvas: its height and width, pixels.
        mirrored: left to right, the part that lies outside included.
        stretch: whether the window fills the canvas; otherwise it keeps its aspect ratio.

    Returns:
        The view. Its place is rounded to whole pixels, halves up, and is at least one pixel wide and high.

    Raises:
        ValueError: if the window holds no pixel of the image.
    """
    ymin, xmin = max(window.ymin, 0), max(window.xmin, 0)
    ymax, xmax = min(window.ymin + window.height, shape[0]), min(window.xmin + window.width, shape[1])
    if ymax <= ymin or xmax <= xmin:
        raise ValueError(f"window must hold a pixel of an image of {shape[0]} x {shape[1]}, got {window}")
    # When mirrored, the margin right of the image moves to its left.
    left = window.xmin + window.width - xmax if mirrored else xmin - window.xmin
    top = ymin - window.ymin
    (height, width), tall = canvas, window.height * canvas[1] >= window.width * canvas[0]
    scale = (height, window.height) if tall else (width, window.width)  # the side that fills the canvas decides
    y_scale, x_scale = ((height, window.height), (width, window.width)) if stretch else (scale, scale)
    place_top, place_bottom = _scale_edges(top, top + ymax - ymin, y_scale, height)
    place_left, place_right = _scale_edges(left, left + xmax - xmin, x_scale, width)
    return View(
        shown=Rectangle(ymin, xmin, ymax - ymin, xmax - xmin),
        place=Rectangle(place_top, place_left, place_bottom - place_top, place_right - place_left),
        mirrored=mirrored,
    )


def move_boxes_to_view(
    view: View, corners: Array, *, canvas: Shape, by_center: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The boxes of an image as they lie on the canvas in one view; see `move_boxes_to_views`."""
    return move_boxes_to_views((view,), (corners,), canvas=canvas, by_center=by_center)[0]


def move_boxes_to_views(
    views: Sequence[View], corners: Sequence[Array], *, canvas: Shape, by_center: bool = True
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The boxes of images as they lie on the canvas in each view.

    A box is kept if its centre is shown and some of its area is left (SSD, arXiv 1512.02325, section 2.2, data
    augmentation). It is clipped to the shown part.

    Args:
        views: of one or several images.
        corners: for each view, all boxes of its image in the image's pixels, [G, 4].
        canvas: its height and width, pixels.
        by_center: whether a box must have its centre in the shown part. Otherwise any overlap is enough.

    Returns:
        For each view: corners in [0, 1] of the canvas, [K, 4] float32, as a record stores them; the indices of these
        boxes, [K] ascending.
    """
    if not views:
        return []
    counts = [len(of_view) for of_view in corners]
    ends = np.concatenate(corners).astype(np.float64, copy=False).reshape(-1, 2, 2)  # [B, low or high, y or x]
    geometry = np.array([_geometry(view) for view in views], np.float64).reshape(-1, 5, 1, 2)
    low, high, sides, place_sides, origin = geometry.repeat(counts, axis=0).swapaxes(0, 1)  # each [B, 1, y or x]
    # Multiply before dividing: a box that ends where the shown part ends then ends exactly where the place ends.
    placed = np.minimum(np.maximum(ends, low), high)  # [B, low or high, y or x]
    placed -= low
    placed *= place_sides
    placed /= sides
    mirrored = np.array([view.mirrored for view in views]).repeat(counts).nonzero()[0]
    if len(mirrored):
        placed[mirrored, :, 1] = place_sides[mirrored, :, 1] - placed[mirrored, ::-1, 1]
    placed += origin
    placed /= np.array(canvas, np.float64)
    boxes = placed.astype(np.float32)
    good = boxes[:, 1] > boxes[:, 0]  # [B, y or x]
    if by_center:
        centers = (ends[:, 0] + ends[:, 1]) / 2
        good &= centers >= low[:, 0]
        good &= centers < high[:, 0]
    kept = good[:, 0] & good[:, 1]  # far faster than `all` along an axis of two
    boxes = boxes.reshape(-1, 4)
    parts = itertools.pairwise(itertools.accumulate(counts, initial=0))
    return [(boxes[a:b][kept[a:b]], kept[a:b].nonzero()[0]) for a, b in parts]


def _geometry(view: View) -> tuple[int, ...]:
    """Low and high edges and sides of the shown part, sides and low edges of its place; y and x of each."""
    shown, place = view.shown, view.place
    return (
        *(shown.ymin, shown.xmin, shown.ymin + shown.height, shown.xmin + shown.width),
        *(shown.height, shown.width, place.height, place.width, place.ymin, place.xmin),
    )


def move_boxes_to_image(view: View, corners: NDArray[np.floating], *, canvas: Shape) -> tuple[Array, NDArray[np.int64]]:
    """The boxes of a canvas as they lie in the image: the inverse of `move_boxes_to_view`.

    Args:
        view: how the image lies on the canvas.
        corners: [D, 4] in [0, 1] of the canvas.
        canvas: its height and width, pixels.

    Returns:
        Corners in pixels of the image, clipped to the shown part, [K, 4]; the indices of these boxes, which have an
        area left, [K] ascending.
    """
    shown, place = view.shown, view.place
    on_canvas = np.asarray(corners, np.float64).reshape(-1, 2, 2) * canvas - (place.ymin, place.xmin)
    if view.mirrored:
        on_canvas[..., 1] = place.width - on_canvas[:, ::-1, 1]
    on_canvas = np.clip(on_canvas, 0.0, (place.height, place.width))
    scale = (shown.height / place.height, shown.width / place.width)
    boxes = (on_canvas * scale + (shown.ymin, shown.xmin)).reshape(-1, 4)
    kept = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return boxes[kept], kept


def _scale_edges(low: int, high: int, scale: tuple[int, int], limit: int) -> tuple[int, int]:
    """Both edges of an interval times a ratio, rounded halves up, at least one apart and at most `limit`."""
    to, of = scale
    first, last = ((2 * edge * to + of) // (2 * of) for edge in (low, high))
    if last > first:
        return first, last
    first = min(first, limit - 1)
    return first, first + 1
