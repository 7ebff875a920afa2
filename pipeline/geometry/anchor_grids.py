"""The grid of each anchor shape: the size of its anchors, their positions and their indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array


@dataclass(frozen=True)
class AnchorGrids:
    """The grids of S shapes; a *shape* is one box of one feature map, and has an anchor in every cell of that map.

    The first axis, where it has length 2, holds the values for rows (along y), then for columns (along x).
    """

    cells: Array  # [2, 1, S] rows and columns of the shape's map
    sizes: Array  # [2, 1, S] heights and widths
    areas: Array  # [S]; including any part outside the canvas
    first: NDArray[np.int64]  # [S] the index of the anchor in row 0 and column 0
    steps: NDArray[np.int64]  # [2, S] from an anchor's index to that in the next row, and in the next column


def make_grids(maps: Sequence[tuple[tuple[int, int], Sequence[tuple[float, float]]]]) -> AnchorGrids:
    """The grids of anchors that are flattened by map, then row, then column, then box.

    Args:
        maps: (rows, columns) and the (height, width) of every box in [0, 1], for each map.
    """
    cells, sizes, first, steps = [], [], [], []
    start = 0
    for (rows, columns), boxes in maps:
        for number, box in enumerate(boxes):
            cells.append((rows, columns))
            sizes.append(box)
            first.append(start + number)
            steps.append((columns * len(boxes), len(boxes)))
        start += rows * columns * len(boxes)
    size = np.array(sizes, np.float64).T  # [2, S]
    return AnchorGrids(
        cells=np.array(cells, np.float64).T[:, None],
        sizes=size[:, None],
        areas=size[0] * size[1],
        first=np.array(first, np.int64),
        steps=np.array(steps, np.int64).T,
    )
