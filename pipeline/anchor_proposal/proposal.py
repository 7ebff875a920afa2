"""Proposed anchors compared with the configuration's own: how well both fit, and the lines that report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.anchor_proposal.anchor_fit import (
    GOOD_IOU,
    GROUP_NAMES,
    AnchorFit,
    add_finer_maps,
    count_coverable,
    measure_fit,
)
from pipeline.anchor_proposal.propose_anchors import propose_anchors
from pipeline.geometry.anchors import AnchorConfig, list_cell_shapes, make_anchors


@dataclass(frozen=True)
class Proposal:
    """Proposed anchors, how they and the current ones fit the boxes, and what any anchors could reach."""

    canvas: tuple[int, int]  # height, width, pixels
    anchors: AnchorConfig
    fit: AnchorFit
    current_fit: AnchorFit
    coverable_by_size: tuple[int, ...]  # boxes that some anchor on the proposal's maps could cover, by `SIZES`
    added_strides: tuple[int, ...]  # of maps finer than the current ones

    def lines(self) -> list[str]:
        """What the commands print."""
        height, width = self.canvas
        size = f"{height}" if height == width else f"{height} × {width}"
        return [
            f"how anchors fit {self.fit.boxes:,} boxes on a canvas of {size} pixels:",
            f"the share with a best IoU of at least {GOOD_IOU}, by the square root of a box's area; `possible` is what "
            "anchors of any shape could reach on these maps",
            f"  {'pixels':10} {'boxes':>9} {'current':>9} {'proposed':>9} {'possible':>9}",
            *self._make_table(),
            f"current: {self.current_fit.summary()}",
            f"proposed: {self.fit.summary()}",
            *(f"  a map of stride {stride} is added, for the small boxes" for stride in self.added_strides),
            *_list_shapes(self.anchors, min(self.canvas)),
            *self._name_unreachable(),
        ]

    def _make_table(self) -> list[str]:
        """A row for each group that has boxes, and one for all."""
        columns = (
            self.fit.boxes_by_size,
            self.current_fit.covered_by_size,
            self.fit.covered_by_size,
            self.coverable_by_size,
        )
        rows = [*zip(*columns, strict=True), tuple(sum(column) for column in columns)]
        return [
            f"  {name:10} {row[0]:9,}" + "".join(f" {count / row[0]:>9.1%}" for count in row[1:])
            for name, row in zip((*GROUP_NAMES, "all"), rows, strict=True)
            if row[0]
        ]

    def _name_unreachable(self) -> list[str]:
        count = self.fit.boxes - sum(self.coverable_by_size)
        if not count:
            return []
        stride = min(self.anchors.strides)
        return [
            f"boxes out of reach: {count:,}, too small for anchors that stand {stride} pixels apart. Each is still "
            "matched to the anchor that overlaps it most; a larger canvas brings more of them into reach"
        ]


def make_proposal(
    boxes: NDArray[np.floating],
    current: AnchorConfig,
    *,
    strides: Sequence[int],
    canvas: tuple[int, int],
    positive_iou: float,
) -> Proposal:
    """Proposes anchors for boxes, [G, 4] corners in [0, 1] of the canvas, and compares them with the current ones.

    Args:
        boxes: ground truth of a sample of training images; thousands are enough.
        current: the configuration's own anchors.
        strides: of the feature maps, pixels. Finer ones are added where many boxes are too small for these.
        canvas: height and width, pixels.
        positive_iou: the least IoU of an anchor that is an object.

    Raises `UserError` if no box has an area.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    chosen = add_finer_maps(boxes, canvas=canvas, strides=strides)
    proposed = propose_anchors(boxes, canvas=canvas, strides=chosen)
    fit, current_fit = (
        measure_fit(boxes, make_anchors(config, canvas), canvas=canvas, positive_iou=positive_iou)
        for config in (proposed, current)
    )
    coverable = count_coverable(boxes, canvas=canvas, strides=chosen)
    added = tuple(stride for stride in chosen if stride < min(strides))
    return Proposal(canvas, proposed, fit, current_fit, coverable, added)


def _list_shapes(config: AnchorConfig, side: int) -> list[str]:
    """A line for each map: its stride, its scale in pixels of a canvas with this shorter side, its ratios."""
    following = [*config.scales[1:], config.scale_after_last]
    lines = []
    for stride, scale, after, ratios in zip(
        config.strides, config.scales, following, config.aspect_ratios, strict=True
    ):
        named = ", ".join(f"{ratio:g}" for ratio in ratios)
        squares = [square for square, _ in list_cell_shapes(scale, after, ())]
        further = "".join(f", and a square of {square * side:.0f}" for square in squares)
        lines.append(f"  stride {stride}: {scale * side:.0f} pixels, width over height {named}{further}")
    return lines
