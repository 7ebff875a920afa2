"""Anchors: one definition for job, trainer and decoder. Flattened by map, then row, then column, then box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, require, require_between
from pipeline.geometry.boxes import Array, areas, centroids_to_corners
from pipeline.typed_json import checksum, to_dict

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

    A box of scale s and aspect ratio a has width s·√a and height s/√a, relative to the shorter side of its cell or of
    the whole canvas (SSD, arXiv 1512.02325, section 2.2). If `scale_after_last` is set, the last box of each cell is an
    additional square one of scale √(s_k · s_{k+1}).
    """

    strides: tuple[int, ...]  # pixels from one cell to the next, for each map; one may be there twice
    scales: tuple[float, ...]  # for each map
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each map, in the order of its boxes
    relative_to: str  # "cell" or "image"
    scale_after_last: float | None = None
    centers: str = "cell"  # in the middle of cells that fill the canvas, or "stride": a stride apart, as in SSD300
    clip_sides: bool = False  # whether no height or width exceeds the canvas's; corners may lie outside all the same

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
        require(self.centers in ("cell", "stride"), "anchors.centers", '"cell" or "stride"', self.centers)


@dataclass(frozen=True)
class Centers:
    """Where the centres of a map's cells lie, on y and on x: that of cell i at (offset + i) / cells, in [0, 1].

    A quotient, and not a first centre and a step, because neither 1/14 nor its multiples are exact in binary.
    """

    offset: tuple[float, float]  # of the first centre from the canvas's edge, in cells: 0.5 is the middle of its cell
    cells: tuple[float, float]  # on a whole side of the canvas; 37.5 for a stride of 8 on 300 pixels

    def __post_init__(self) -> None:
        require(
            all(0 <= offset <= 1 for offset in self.offset), "feature_maps.centers.offset", "in [0, 1]", self.offset
        )
        fit = all(1 / MAX_CELLS <= cells <= MAX_CELLS for cells in self.cells)
        require(fit, "feature_maps.centers.cells", f"in [1/{MAX_CELLS}, {MAX_CELLS}]", self.cells)


@dataclass(frozen=True)
class FeatureMap:
    """A grid of cells; every cell has the same boxes around its centre."""

    size: tuple[int, int]  # rows, columns
    boxes: tuple[tuple[float, float], ...]  # (height, width) in [0, 1] of the canvas
    centers: Centers = None  # type: ignore[assignment]  # by default in the middle of cells that fill the canvas

    def __post_init__(self) -> None:
        sides = f"two numbers from 1 to {MAX_CELLS}"
        require(all(1 <= side <= MAX_CELLS for side in self.size), "feature_maps.size", sides, self.size)
        count = len(self.boxes)
        require(1 <= count <= MAX_BOXES, "feature_maps.boxes", f"from 1 to {MAX_BOXES} boxes", count)
        for box in self.boxes:
            require(all(0 < side <= MAX_SIDE for side in box), "feature_maps.boxes", f"in (0, {MAX_SIDE}]", box)
        if not self.centers:
            object.__setattr__(self, "centers", place_centers(*self.size))

    @property
    def anchor_count(self) -> int:
        """Anchors of this map: rows × columns × boxes per cell."""
        return self.size[0] * self.size[1] * len(self.boxes)

    def compute_centroids(self) -> Array:
        """`[cy, cx, h, w]` of this map's anchors in [0, 1], [rows × columns × boxes, 4] float64."""
        out = np.empty((*self.size, len(self.boxes), 4))
        y, x = (
            (np.arange(count) + offset) / cells
            for count, offset, cells in zip(self.size, self.centers.offset, self.centers.cells, strict=True)
        )
        out[..., 0], out[..., 1] = y[:, None, None], x[:, None]
        out[..., 2:] = self.boxes
        return out.reshape(-1, 4)


@dataclass(frozen=True)
class Anchors:
    """All anchors of a detector, as its feature maps: what a manifest states, and what job and trainer use.

    Raises `UserError` if the fingerprint is given and is another's.
    """

    feature_maps: tuple[FeatureMap, ...]
    fingerprint: str = ""  # 16 hex digits that change with any size, box, centre or order; by default computed

    def __post_init__(self) -> None:
        require(len(self.feature_maps) > 0, "feature_maps", "at least one map", 0)
        require(len(self) <= MAX_ANCHORS, "feature_maps", f"maps of at most {MAX_ANCHORS} anchors", len(self))
        own = checksum([to_dict(feature_map) for feature_map in self.feature_maps])[:16]
        right = self.fingerprint in ("", own)
        require(right, "fingerprint", f"{own}, the fingerprint of its boxes", self.fingerprint)
        object.__setattr__(self, "fingerprint", own)

    def __len__(self) -> int:
        return self.map_starts[-1]

    def __hash__(self) -> int:
        return hash(self.fingerprint)  # of the whole, and known already

    @cached_property
    def centroids(self) -> Array:
        """`[cy, cx, h, w]` in [0, 1], [N, 4] float64."""
        return np.concatenate([feature_map.compute_centroids() for feature_map in self.feature_maps])

    @cached_property
    def corners(self) -> Array:
        """`[ymin, xmin, ymax, xmax]` in [0, 1] (anchors at the border reach outside), [N, 4] float64, column-major."""
        return np.asfortranarray(centroids_to_corners(self.centroids))

    @cached_property
    def areas(self) -> Array:
        """Areas, [N] float64, in the unit of the canvas's own area."""
        return areas(self.corners)

    @cached_property
    def map_starts(self) -> tuple[int, ...]:
        """The index of each map's first anchor, and the number of anchors at the end."""
        return tuple(accumulate((m.anchor_count for m in self.feature_maps), initial=0))

    @cached_property
    def mirrored(self) -> NDArray[np.int64]:
        """The index of each anchor's mirror image, left to right, [N]; applied twice, it gives the anchor itself.

        The image has the same map, row and box, and its column is as far from the other side. So a mirrored view has
        the targets of the view in this order, with the sign of the cx offsets flipped.

        Raises `UserError` if the centres of some map's columns are not symmetric on the canvas.
        """
        parts = []
        for start, feature_map in zip(self.map_starts, self.feature_maps, strict=False):
            columns, (_, offset), (_, cells) = (
                feature_map.size[1],
                feature_map.centers.offset,
                feature_map.centers.cells,
            )
            if not math.isclose(columns - 1 + 2 * offset, cells, rel_tol=1e-12):
                raise UserError(
                    f"canvases cannot be mirrored: the centres of a map of {columns} columns lie further from one side "
                    "of the canvas than from the other; turn mirroring of canvases off"
                )
            indices = start + np.arange(feature_map.anchor_count, dtype=np.int64)
            parts.append(indices.reshape(*feature_map.size, -1)[:, ::-1].reshape(-1))
        return np.concatenate(parts)


def make_anchors(config: AnchorConfig, canvas: tuple[int, int]) -> Anchors:
    """The anchors of a configuration on a canvas (height, width in pixels).

    A map has ⌈height / stride⌉ rows and ⌈width / stride⌉ columns. Scales are relative to the canvas's shorter side, or
    to the shorter side of the map's cells, which fill the canvas; ratios are of pixels.

    Source: SSD (arXiv 1512.02325) section 2.2 and equation 4; for scales relative to the cell, the exercise of
    docs/baseline.md.
    """
    height, width = canvas
    following = [*config.scales[1:], config.scale_after_last]
    maps = []
    for stride, scale, next_scale, ratios in zip(
        config.strides, config.scales, following, config.aspect_ratios, strict=True
    ):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        strided = config.centers == "stride"
        centers = place_centers(height / stride, width / stride) if strided else place_centers(rows, columns)
        unit = Fraction(min(canvas))  # pixels, exactly: on a square canvas a cell is exactly 1 / rows of it
        if config.relative_to == "cell":
            unit = min(Fraction(height, rows), Fraction(width, columns))
        unit_height, unit_width = float(unit / height), float(unit / width)
        shapes = list_cell_shapes(scale, None if config.scale_after_last is None else next_scale, ratios)
        boxes = [(h * unit_height, w * unit_width) for h, w in shapes]
        if config.clip_sides:
            boxes = [(min(h, 1.0), min(w, 1.0)) for h, w in boxes]
        maps.append(FeatureMap((rows, columns), tuple(boxes), centers))
    return Anchors(tuple(maps))


def place_centers(rows: float, columns: float) -> Centers:
    """Centres in the middle of cells, of which so many, or parts of them, fit on the canvas's sides."""
    return Centers((0.5, 0.5), (float(rows), float(columns)))


def list_cell_shapes(scale: float, next_scale: float | None, ratios: Iterable[float]) -> list[tuple[float, float]]:
    """Height and width of a cell's anchors, in the unit of the scales.

    One for each ratio of width to height; then, if there is a next scale, a square of the geometric mean of both.
    """
    shapes = [(scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for ratio in ratios]
    if next_scale is not None:
        side = math.sqrt(scale * next_scale)
        shapes.append((side, side))
    return shapes
