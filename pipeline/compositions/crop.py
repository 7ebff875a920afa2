"""Zoom and crop as SSD draws them (arXiv 1512.02325, sections 2.2 and 3.6): which window of an image is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.view import Rectangle, Shape
from pipeline.errors import require
from pipeline.geometry.anchors import MAX_RATIO
from pipeline.geometry.boxes import Array, iou

TRIES = 50  # crops that are drawn for one choice before another choice is made
CHOICES = 10  # choices that are tried before the frame is shown whole
_STEPS = 1 << 16  # steps between the ends of a range that a factor is drawn from

MAX_ZOOM = 100.0
MAX_CHOICES = 100


@dataclass(frozen=True)
class Crop:
    """How a training image is zoomed out and cropped (SSD, arXiv 1512.02325, section 2.2). Ranges: (least, most)."""

    zoom_out: tuple[float, float] = (1.0, 4.0)  # frame side / image side; framed with probability one half
    min_ious: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)  # the least IoU of some box with the crop
    sides: tuple[float, float] = (0.3, 1.0)  # sides of a crop, as shares of the frame's sides
    aspect_ratios: tuple[float, float] = (0.5, 2.0)  # of a crop, width over height

    def __post_init__(self) -> None:
        least, most = self.zoom_out
        require(1 <= least <= most <= MAX_ZOOM, "crop.zoom_out", f"1 <= least <= most <= {MAX_ZOOM}", self.zoom_out)
        require(len(self.min_ious) <= MAX_CHOICES, "crop.min_ious", f"at most {MAX_CHOICES}", len(self.min_ious))
        require(all(0 < iou < 1 for iou in self.min_ious), "crop.min_ious", "in (0, 1)", self.min_ious)
        require(0 < self.sides[0] <= self.sides[1] <= 1, "crop.sides", "0 < least <= most <= 1", self.sides)
        least, most = self.aspect_ratios
        require(
            1 / MAX_RATIO <= least <= most <= MAX_RATIO,
            "crop.aspect_ratios",
            f"{1 / MAX_RATIO} <= least <= most <= {MAX_RATIO}",
            self.aspect_ratios,
        )


def draw_window(config: Crop, shape: Shape, corners: Array, bits: RandomBits) -> Rectangle:
    """Draws the window of an image that a view shows.

    With probability one half the image is first put somewhere inside a larger frame. Then one choice is made, all
    equally likely: the whole frame; any crop; or, for each of `min_ious`, a crop with at least that IoU with some box.
    A crop that holds no box's centre is drawn again, and so is one beyond the limits.

    Args:
        config: ranges.
        shape: height and width of the image, pixels.
        corners: boxes in pixels of the image, inside of it, [G, 4]. An image without boxes may be cropped anywhere.
        bits: the view's own random bits.

    Returns:
        The window, in pixels of the image: it may reach outside, and holds at least one of the image's pixels.
    """
    corners = np.asarray(corners, np.float64).reshape(-1, 4)
    frame = _frame(config, shape, bits)
    for _ in range(CHOICES):
        choice = bits.below(len(config.min_ious) + 2)
        if choice == 0:
            return frame
        min_iou = config.min_ious[choice - 1] if choice <= len(config.min_ious) else 0.0
        crops = _crops(config, frame, bits)
        fitting = np.flatnonzero(_fit(config, crops, shape, corners, min_iou))
        if len(fitting):
            ymin, xmin, ymax, xmax = crops[fitting[0]].tolist()
            return Rectangle(ymin, xmin, ymax - ymin, xmax - xmin)
    return frame


def _frame(config: Crop, shape: Shape, bits: RandomBits) -> Rectangle:
    """The image itself, or a frame of its aspect ratio around it, in pixels of the image."""
    height, width = shape
    if bits.below(2) == 0:
        return Rectangle(0, 0, height, width)
    factor = _factor(config.zoom_out, bits)
    tall, wide = int(height * factor), int(width * factor)
    return Rectangle(-bits.between(0, tall - height), -bits.between(0, wide - width), tall, wide)


def _crops(config: Crop, frame: Rectangle, bits: RandomBits) -> NDArray[np.int64]:
    """`TRIES` parts of the frame, corners in pixels of the image, [TRIES, 4]."""
    least, most = config.sides
    sizes = np.array([frame.height, frame.width], np.int64)
    steps = bits.below_each(np.full((TRIES, 2), _STEPS + 1, np.int64))
    sides = np.maximum((sizes * (least + (most - least) * (steps / _STEPS))).astype(np.int64), 1)
    low = bits.below_each(sizes - sides + 1) + np.array([frame.ymin, frame.xmin])
    return np.concatenate([low, low + sides], axis=1)


def _fit(config: Crop, crops: NDArray[np.int64], shape: Shape, corners: Array, min_iou: float) -> NDArray[np.bool_]:
    """Which crops have an allowed aspect ratio, show the image and a box's centre, and overlap some box enough."""
    low, high = crops[:, None, :2], crops[:, None, 2:]  # [TRIES, 1, 2]
    heights, widths = (high - low)[:, 0].T
    fit = (widths >= config.aspect_ratios[0] * heights) & (widths <= config.aspect_ratios[1] * heights)
    fit &= ((low < shape) & (high > 0)).all(axis=(1, 2))
    if len(corners):
        centers = (corners[:, :2] + corners[:, 2:]) / 2
        shown = np.all((centers >= low) & (centers < high), axis=2)  # [TRIES, G]
        fit &= np.any(shown, axis=1)
        if min_iou:
            fit &= iou(corners, crops.astype(np.float64)).max(axis=0) >= min_iou
    return fit


def _factor(limits: tuple[float, float], bits: RandomBits) -> float:
    """A number in [least, most], both ends included."""
    least, most = limits
    return least + (most - least) * (bits.between(0, _STEPS) / _STEPS)
