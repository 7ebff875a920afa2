"""Anchors: one definition for job, trainer and decoder. Flattened by map, then row, then column, then box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import require, require_between
from pipeline.geometry.anchor_grids import AnchorGrids, make_grids
from pipeline.geometry.boxes import Array, areas, centroids_to_corners
from pipeline.typed_json import checksum

# Limits far above any real setting. They keep a wrong file from asking for memory or time without end.
MAX_MAPS = 32
MAX_CANVAS = 8_192  # pixels; a raw canvas must fit into a record
MAX_RATIO = 100.0
MAX_SCALE = 100.0

# Far more than any detector has, and little enough for memory.
MAX_CELLS = 4096  # rows or columns of a map
MAX_BOXES = 1000  # of a cell
MAX_SIDE = 1000.0  # of a box, in sides of the canvas
MAX_ANCHORS = 1_000_000


@dataclass(frozen=True)
class AnchorConfig:
    """The anchors of every feature map, finest map first. An aspect ratio is width over height.

    A box of scale s and aspect ratio a has width s·√a and height s/√a, relative to its cell or to the whole image
    (SSD, arXiv 1512.02325, section 2.2). If `scale_after_last` is set, the last box of each cell is an additional
    square one of scale √(s_k · s_{k+1}).
    """

    strides: tuple[int, ...]  # pixels from one cell to the next, for each map; one may be there twice
    scales: tuple[float, ...]  # for each map
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each map, in the order of its boxes
    relative_to: str  # "cell" or "image"
    scale_after_last: float | None = None

    def __post_init__(self) -> None:
        maps = len(self.strides)
        require(1 <= maps <= MAX_MAPS, "anchors.strides", f"from 1 to {MAX_MAPS} numbers, one for each map", maps)
        for stride in self.strides:
            require_between("anchors.strides", stride, 1, MAX_CANVAS)
        require(len(self.scales) == maps, "anchors.scales", f"{maps} numbers, one for each map", len(self.scales))
        for scale in self.scales:
            require_between("anchors.scales", scale, 1 / MAX_CANVAS, MAX_SCALE)
        ratios = self.aspect_ratios
        require(len(ratios) == maps, "anchors.aspect_ratios", f"{maps} lists, one for each map", len(ratios))
        require(all(ratios), "anchors.aspect_ratios", "lists of at least one number", ratios)
        for ratio in (ratio for of_map in ratios for ratio in of_map):
            require_between("anchors.aspect_ratios", ratio, 1 / MAX_RATIO, MAX_RATIO)
        require(self.relative_to in ("cell", "image"), "anchors.relative_to", '"cell" or "image"', self.relative_to)
        if self.scale_after_last is not None:
            require_between("anchors.scale_after_last", self.scale_after_last, 1 / MAX_CANVAS, MAX_SCALE)


@dataclass(frozen=True)
class FeatureMap:
    """A grid of cells; every cell has the same boxes around its centre."""

    size: tuple[int, int]  # rows, columns
    boxes: tuple[tuple[float, float], ...]  # (height, width) in [0, 1] of the canvas

    def __post_init__(self) -> None:
        sides = f"two numbers from 1 to {MAX_CELLS}"
        require(all(1 <= side <= MAX_CELLS for side in self.size), "feature_maps.size", sides, self.size)
        count = len(self.boxes)
        require(1 <= count <= MAX_BOXES, "feature_maps.boxes", f"from 1 to {MAX_BOXES} boxes", count)
        for box in self.boxes:
            require(all(0 < side <= MAX_SIDE for side in box), "feature_maps.boxes", f"in (0, {MAX_SIDE}]", box)

    @property
    def anchor_count(self) -> int:
        """Anchors of this map: rows × columns × boxes per cell."""
        return self.size[0] * self.size[1] * len(self.boxes)


@dataclass(frozen=True)
class Anchors:
    """All anchors of a detector, as its feature maps."""

    feature_maps: tuple[FeatureMap, ...]

    def __post_init__(self) -> None:
        require(len(self.feature_maps) > 0, "feature_maps", "at least one map", 0)
        require(len(self) <= MAX_ANCHORS, "feature_maps", f"maps of at most {MAX_ANCHORS} anchors", len(self))

    def __len__(self) -> int:
        return self.map_starts[-1]

    @cached_property
    def centroids(self) -> Array:
        """`[cy, cx, h, w]` in [0, 1], [N, 4] float64."""
        return np.concatenate([_centroids(m) for m in self.feature_maps])

    @cached_property
    def corners(self) -> Array:
        """`[ymin, xmin, ymax, xmax]` in [0, 1] (anchors at the border reach outside), [N, 4] float64, column-major."""
        return np.asfortranarray(centroids_to_corners(self.centroids))

    @cached_property
    def areas(self) -> Array:
        """Areas, [N] float64, in the unit of the canvas's own area."""
        return areas(self.corners)

    @cached_property
    def grids(self) -> AnchorGrids:
        """The grid of each anchor shape."""
        return make_grids([(m.size, m.boxes) for m in self.feature_maps])

    @cached_property
    def map_starts(self) -> tuple[int, ...]:
        """The index of each map's first anchor, and the number of anchors at the end."""
        starts = [0]
        for feature_map in self.feature_maps:
            starts.append(starts[-1] + feature_map.anchor_count)
        return tuple(starts)

    @cached_property
    def mirrored(self) -> NDArray[np.int64]:
        """The index of each anchor's mirror image, left to right, [N]; applied twice, it gives the anchor itself.

        The image has the same map, row and box, and its column is as far from the other side. So a mirrored view has
        the targets of the view in this order, with the sign of the cx offsets flipped.
        """
        parts = []
        for start, feature_map in zip(self.map_starts, self.feature_maps, strict=False):
            indices = start + np.arange(feature_map.anchor_count, dtype=np.int64)
            parts.append(indices.reshape(*feature_map.size, -1)[:, ::-1].reshape(-1))
        return np.concatenate(parts)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any size, box or order."""
        return checksum(self._maps())[:16]

    def to_dict(self) -> dict[str, Any]:
        """The `anchors` of a manifest: all that it takes to rebuild them."""
        return {"feature_maps": self._maps(), "fingerprint": self.fingerprint}

    def _maps(self) -> list[dict[str, Any]]:
        return [{"size": list(m.size), "boxes": [list(b) for b in m.boxes]} for m in self.feature_maps]


@dataclass(frozen=True)
class StoredAnchors:
    """Anchors as the manifest holds them."""

    feature_maps: tuple[FeatureMap, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        own = self.anchors.fingerprint
        require(self.fingerprint == own, "fingerprint", f"{own}, the fingerprint of its boxes", self.fingerprint)

    @property
    def anchors(self) -> Anchors:
        """The anchors themselves."""
        return Anchors(self.feature_maps)


def make_anchors(config: AnchorConfig, canvas_size: int) -> Anchors:
    """The anchors of a configuration on a square canvas (pixels); a map has ⌈canvas / stride⌉ rows and columns.

    Source: SSD (arXiv 1512.02325) section 2.2 and equation 4; for scales relative to the cell, the exercise of
    docs/baseline.md.
    """
    following = [*config.scales[1:], config.scale_after_last]
    maps = []
    for stride, scale, next_scale, ratios in zip(
        config.strides, config.scales, following, config.aspect_ratios, strict=True
    ):
        cells = math.ceil(canvas_size / stride)
        unit = 1.0 / cells if config.relative_to == "cell" else 1.0
        shapes = cell_shapes(scale, None if config.scale_after_last is None else next_scale, ratios)
        maps.append(FeatureMap((cells, cells), tuple((height * unit, width * unit) for height, width in shapes)))
    return Anchors(tuple(maps))


def cell_shapes(scale: float, next_scale: float | None, ratios: Iterable[float]) -> list[tuple[float, float]]:
    """Height and width of a cell's anchors, in the unit of the scales.

    One for each ratio of width to height; then, if there is a next scale, a square of the geometric mean of both.
    """
    shapes = [(scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for ratio in ratios]
    if next_scale is not None:
        side = math.sqrt(scale * next_scale)
        shapes.append((side, side))
    return shapes


def _centroids(feature_map: FeatureMap) -> Array:
    rows, columns = feature_map.size
    boxes = np.asarray(feature_map.boxes, np.float64)  # [B, 2]
    out = np.empty((rows, columns, len(boxes), 4))
    out[..., 0] = ((np.arange(rows) + 0.5) / rows)[:, None, None]
    out[..., 1] = ((np.arange(columns) + 0.5) / columns)[None, :, None]
    out[..., 2:] = boxes
    return out.reshape(-1, 4)
