"""Proposes anchors that fit given boxes: clusters of shapes, then a search that knows where anchors stand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.geometry.anchor_search import MOST_SCALE, RATIOS, SCALE_DECIMALS, AnchorSearch, Choice, Samples
from pipeline.geometry.anchors import MAX_ANCHORS, AnchorConfig
from pipeline.geometry.boxes import Array, corners_to_centroids

MOST_BOXES = 8  # of a cell; with the strides of the `improved` preset that is less than twice its anchors

_HALF_BELOW = 8  # stride, pixels: maps with a finer one have many cells, and get half as many boxes per cell
_MOST_SAMPLES = 2_000  # boxes that are looked at
_PLACES = 4_000  # where all sampled boxes together are tried
_MOST_COPIES = 16  # places of one box
_SMALL_WEIGHT = 0.1  # of a box below 1.5 cells of the finest map: often no anchor can fit it
_MOST_DOUBLED = 2  # maps that may have two scales
_SOFTNESS = (0.15, 0.05)  # of the search's two passes: what is nearly covered counts at first
_GROWTH = 1.15  # from a map's scale to the next, at least, where the search begins
_CLUSTER_ROUNDS = 20


def propose_anchors(boxes: NDArray[np.floating], *, canvas_size: int, strides: Sequence[int]) -> AnchorConfig:
    """Anchors for boxes, on the given maps: few shapes that give most boxes a best IoU of at least 0.5.

    The clusters of shapes by IoU distance (k-medians; YOLO9000, arXiv 1612.08242, section 2, "Dimension Clusters") are
    only the start, because they leave out the distance of the centres, which decides the IoU of small boxes. The search
    takes each box at its place and at a few places beside it, and adds a shape to a map only if it is worth its
    anchors. One of the two finest maps, or both, may be listed twice: with a second scale and heads of their own.

    The same boxes give the same anchors, in any order.

    Args:
        boxes: ground truth, finite corners in [0, 1] of the canvas, [G, 4]. At most 2,000 of all sizes are looked at.
        canvas_size: pixels.
        strides: of the network's feature maps, pixels. Each is used once or twice.

    Raises:
        UserError: if no box has an area.
    """
    strides = sorted(set(strides))
    centroids = _sampled(corners_to_centroids(np.asarray(boxes, np.float64).reshape(-1, 4)))
    if not len(centroids):
        raise UserError("the training images have no box with an area, from which anchors could be proposed")
    cells = {stride: math.ceil(canvas_size / stride) for stride in strides}
    samples = _samples(centroids, cells[strides[0]])
    most_boxes = min(MOST_BOXES, MAX_ANCHORS // sum(n * n for n in cells.values()))
    most_doubled = min(_MOST_DOUBLED, len(strides)) if _limit(strides[0], most_boxes) >= 4 else 0
    found = []
    for doubled in range(most_doubled + 1):
        listed = sorted([*strides, *strides[:doubled]])
        limits = [_limit(stride, most_boxes) // listed.count(stride) for stride in listed]
        search = AnchorSearch(samples, [cells[stride] for stride in listed], limits)
        choice = _first_choice(centroids[:, 2:], search)
        for softness in _SOFTNESS:
            choice = search.improve(choice, softness=softness)
        found.append((search.worth(choice), -doubled, listed, choice))
    _, _, listed, choice = max(found, key=lambda f: f[:2])
    return AnchorConfig(
        strides=tuple(listed),
        scales=choice.scales[:-1],
        aspect_ratios=tuple(tuple(RATIOS[r] for r in of_map) for of_map in choice.ratios),
        relative_to="image",
        scale_after_last=choice.scales[-1],
    )


def _limit(stride: int, most_boxes: int) -> int:
    """How many boxes a cell of a map may have."""
    return most_boxes if stride >= _HALF_BELOW else max(2, most_boxes // 2)


def _sampled(centroids: Array) -> Array:
    """Boxes with an area, sorted by area. If there are many, only some of every size."""
    centroids = centroids[(centroids[:, 2:] > 0).all(axis=1)]
    centroids = centroids[np.lexsort((*centroids.T, centroids[:, 2] * centroids[:, 3]))]
    if len(centroids) <= _MOST_SAMPLES:
        return centroids
    return centroids[np.linspace(0, len(centroids) - 1, _MOST_SAMPLES).round().astype(np.int64)]


def _samples(centroids: Array, finest_cells: int) -> Samples:
    """Each box at its place and at a few places beside it, where a mirrored or cropped view may have it."""
    copies = int(np.clip(_PLACES // len(centroids), 1, _MOST_COPIES))
    centers, sizes = np.tile(centroids[:, :2], (copies, 1)), np.tile(centroids[:, 2:], (copies, 1))
    # An additive recurrence spreads points evenly without a generator. (Roberts 2018, "R2".)
    steps = np.arange(len(centers))[:, None] * (0.7548776662466927, 0.5698402909980532)
    shifts = (steps % 1.0 - 0.5) * np.maximum(sizes / 2, 1.0 / finest_cells)
    shifts[: len(centroids)] = 0.0
    least, most = sizes / 2, np.maximum(1.0 - sizes / 2, sizes / 2)
    big = np.sqrt(sizes[:, 0] * sizes[:, 1]) >= 1.5 / finest_cells
    weights = np.where(big, 1.0, _SMALL_WEIGHT)
    return Samples(np.clip(centers + shifts, least, most), sizes, weights / weights.sum())


def _first_choice(sizes: Array, search: AnchorSearch) -> Choice:
    """A cluster of shapes for each map: its scale from the median's area, its ratio from the median's sides."""
    clusters = cluster_sizes(sizes, len(search.cells))
    scales: list[float] = []
    for number, (height, width) in enumerate(clusters):
        least = max(search.least_scale(number), scales[-1] * _GROWTH if scales else 0.0)
        scales.append(max(math.sqrt(height * width), least))
    scales.append(scales[-1] * _GROWTH)
    # Where there is no room above, scales lie closer together.
    for number in range(len(scales)):
        most = MOST_SCALE / 1.03 ** (len(scales) - 1 - number)
        scales[number] = round(min(scales[number], most), SCALE_DECIMALS)
    logs = np.log(RATIOS)
    ratios = tuple((int(np.abs(logs - math.log(width / height)).argmin()),) for height, width in clusters)
    return Choice(tuple(scales), ratios)


def cluster_sizes(sizes: Array, count: int) -> Array:
    """Medians of clusters of shapes by IoU distance, ascending by area. [G, 2] height, width -> [count, 2].

    k-medians from shapes of evenly spaced ranks by area: without random numbers. Clusters may be equal.
    """
    order = np.argsort(sizes[:, 0] * sizes[:, 1], kind="stable")
    ranks = ((np.arange(count) + 0.5) / count * len(sizes)).astype(np.int64)
    medians = sizes[order[ranks]]
    for _ in range(_CLUSTER_ROUNDS):
        overlap = np.minimum(sizes[:, None], medians).prod(axis=2)
        nearest = (overlap / (sizes.prod(axis=1)[:, None] + medians.prod(axis=1) - overlap)).argmax(axis=1)
        moved = np.array(
            [np.median(sizes[nearest == k], axis=0) if (nearest == k).any() else medians[k] for k in range(count)]
        )
        if np.array_equal(moved, medians):
            break
        medians = moved
    return medians[np.argsort(medians.prod(axis=1), kind="stable")]
