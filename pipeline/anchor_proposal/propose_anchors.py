"""Proposes anchors that fit given boxes: clusters of shapes, then a search that knows where anchors stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.anchor_proposal.anchor_fit import GOOD_IOU, divide_canvas, iou_at_distance, measure_distances
from pipeline.errors import UserError
from pipeline.geometry.anchors import MAX_ANCHORS, AnchorConfig, list_cell_shapes, place_centers
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

RATIOS = tuple(round(2.0 ** (step / 4), 3) for step in range(-12, 13))  # from 1/8 to 8
SCALE_DECIMALS = 5
MOST_SCALE = 1.05

_SCALE_STEPS = (0.8, 0.9, 0.95, 0.975, 1.025, 1.05, 1.1, 1.25)
_LEAST_GROWTH = 1.02  # from a scale to the next
_MEAN_IOU_WEIGHT = 0.1
_LEAST_GAIN = 1e-5  # of a change of scales or ratios
_LEAST_GAIN_OF_A_BOX = 2e-4  # of one more box per cell
_PRICE = 8e-4  # of one more box per cell on the finest map; on others, in proportion to their number of cells
_ROUNDS = 12  # of changes; few are needed


def propose_anchors(boxes: NDArray[np.floating], *, canvas: tuple[int, int], strides: Sequence[int]) -> AnchorConfig:
    """Anchors for boxes, on the given maps: few shapes that give most boxes a best IoU of at least 0.5.

    The clusters of shapes by IoU distance (k-medians; YOLO9000, arXiv 1612.08242, section 2, "Dimension Clusters") are
    only the start, because they leave out the distance of the centres, which decides the IoU of small boxes. The search
    takes each box at its place and at a few places beside it, and adds a shape to a map only if it is worth its
    anchors. One of the two finest maps, or both, may be listed twice: with a second scale and heads of their own.

    The same boxes give the same anchors, in any order.

    Args:
        boxes: ground truth, finite corners in [0, 1] of the canvas, [G, 4]. At most 2,000 of all sizes are looked at.
        canvas: height and width, pixels.
        strides: of the network's feature maps, pixels. Each is used once or twice.

    Raises:
        UserError: if no box has an area.
    """
    strides = sorted(set(strides))
    centroids = _take_sample(corners_to_centroids(np.asarray(boxes, np.float64).reshape(-1, 4)))
    if not len(centroids):
        raise UserError("the training images have no box with an area, from which anchors could be proposed")
    sizes = {stride: divide_canvas(canvas, stride) for stride in strides}
    samples = _spread_samples(centroids, sizes[strides[0]])
    most_boxes = min(MOST_BOXES, MAX_ANCHORS // sum(rows * columns for rows, columns in sizes.values()))
    unit = np.array(canvas) / min(canvas)  # the canvas's height and width in its shorter sides
    most_doubled = min(_MOST_DOUBLED, len(strides)) if _limit_boxes(strides[0], most_boxes) >= 4 else 0
    found = []
    for doubled in range(most_doubled + 1):
        listed = sorted([*strides, *strides[:doubled]])
        limits = [_limit_boxes(stride, most_boxes) // listed.count(stride) for stride in listed]
        search = AnchorSearch(samples, [sizes[stride] for stride in listed], limits, unit)
        choice = _choose_first(centroids[:, 2:] * unit, search)
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


def _limit_boxes(stride: int, most_boxes: int) -> int:
    """How many boxes a cell of a map may have."""
    return most_boxes if stride >= _HALF_BELOW else max(2, most_boxes // 2)


def _take_sample(centroids: Array) -> Array:
    """Boxes with an area, sorted by area. If there are many, only some of every size."""
    centroids = centroids[(centroids[:, 2:] > 0).all(axis=1)]
    centroids = centroids[np.lexsort((*centroids.T, centroids[:, 2] * centroids[:, 3]))]
    if len(centroids) <= _MOST_SAMPLES:
        return centroids
    return centroids[np.linspace(0, len(centroids) - 1, _MOST_SAMPLES).round().astype(np.int64)]


def _spread_samples(centroids: Array, finest: tuple[int, int]) -> Samples:
    """Each box at its place and at a few places beside it, where a mirrored or cropped view may have it.

    Args:
        centroids: of the boxes, in [0, 1], [G, 4].
        finest: rows and columns of the finest map.
    """
    copies = int(np.clip(_PLACES // len(centroids), 1, _MOST_COPIES))
    centers, sizes = np.tile(centroids[:, :2], (copies, 1)), np.tile(centroids[:, 2:], (copies, 1))
    # An additive recurrence spreads points evenly without a generator. (Roberts 2018, "R2".)
    steps = np.arange(len(centers))[:, None] * (0.7548776662466927, 0.5698402909980532)
    shifts = (steps % 1.0 - 0.5) * np.maximum(sizes / 2, 1.0 / np.array(finest))
    shifts[: len(centroids)] = 0.0
    least, most = sizes / 2, np.maximum(1.0 - sizes / 2, sizes / 2)
    big = np.sqrt(sizes[:, 0] * sizes[:, 1]) >= 1.5 / math.sqrt(math.prod(finest))
    weights = np.where(big, 1.0, _SMALL_WEIGHT)
    return Samples(np.clip(centers + shifts, least, most), sizes, weights / weights.sum())


def _choose_first(sizes: Array, search: AnchorSearch) -> Choice:
    """A cluster of shapes for each map: its scale from the median's area, its ratio from the median's sides.

    Args:
        sizes: height and width of the boxes in shorter sides of the canvas, [G, 2].
        search: of the maps.
    """
    clusters = cluster_sizes(sizes, len(search.sizes))
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


@dataclass(frozen=True)
class Samples:
    """Boxes that anchors must fit, and where they lie."""

    centers: Array  # [M, 2] y, x in [0, 1]
    sizes: Array  # [M, 2] height, width in [0, 1]
    weights: Array  # [M], sum 1


@dataclass(frozen=True)
class Choice:
    """Scales and ratios as `AnchorConfig` has them, relative to the canvas, with the additional square of each cell."""

    scales: tuple[float, ...]  # of K maps, and the one after the last
    ratios: tuple[tuple[int, ...], ...]  # indices into `RATIOS`, for each map, ascending


class AnchorSearch:
    """Improves a choice until no small change makes it better.

    Args:
        samples: what must be fitted.
        sizes: rows and columns of each map, finest first.
        most_boxes: of a cell, for each map.
        unit: height and width of the canvas in its shorter sides, [2].
    """

    def __init__(
        self, samples: Samples, sizes: Sequence[tuple[int, int]], most_boxes: Sequence[int], unit: Array
    ) -> None:
        self.samples, self.sizes, self.most_boxes, self.unit = samples, tuple(sizes), tuple(most_boxes), unit
        # Column-major: heights and widths are contiguous, which halves the time.
        self._sizes = np.asfortranarray(samples.sizes)
        self._distances = [
            np.asfortranarray(measure_distances(samples.centers, size, place_centers(*size))) for size in sizes
        ]
        self._softness = 0.0
        # Most choices that are compared differ in one map, or in one shape.
        self._fit_of_shape = lru_cache(maxsize=512)(self._compute_fit_of_shape)
        self._fit_of_map = lru_cache(maxsize=128)(self._compute_fit_of_map)

    def improve(self, choice: Choice, *, softness: float) -> Choice:
        """Moves scales and ratios, adds boxes that are worth their price and removes others.

        Args:
            choice: where to begin.
            softness: a best IoU counts from `GOOD_IOU` minus this, and in full from `GOOD_IOU` plus this.
        """
        self._softness = softness
        for _ in range(_ROUNDS):
            before = choice
            choice = self._add_boxes(self._move(choice))
            choice = self._move(self._remove_boxes(choice))
            if choice == before:
                break
        return choice

    def value(self, choice: Choice) -> float:
        """The share of boxes that are covered, and a little for their mean IoU."""
        best = reduce(np.maximum, [self._fit_of_map(k, *self._map(choice, k)) for k in range(len(self.sizes))])
        worth = best - (GOOD_IOU - self._softness)
        worth /= 2 * self._softness
        np.fmin(np.fmax(worth, 0.0, out=worth), 1.0, out=worth)
        worth += _MEAN_IOU_WEIGHT * best
        return round(float(self.samples.weights @ worth), 9)

    def worth(self, choice: Choice) -> float:
        """The value of a choice, less the price of its anchors."""
        boxes = [len(ratios) + 1 for ratios in choice.ratios]
        return self.value(choice) - sum(n * self._price(k) for k, n in enumerate(boxes))

    def least_scale(self, number: int) -> float:
        """The least scale of a map: half a cell on the finest, which has to take all small boxes; else one cell."""
        cells = min(self.sizes[number])
        return 0.5 / cells if number == 0 else min(1.0 / cells, 0.5)

    def _move(self, choice: Choice) -> Choice:
        value = self.value(choice)
        for _ in range(_ROUNDS):
            before = value
            for change in (self._list_other_scales, self._list_other_ratios):
                for number in range(len(choice.scales)):
                    for other in change(choice, number):
                        if (other_value := self.value(other)) > value + _LEAST_GAIN:
                            choice, value = other, other_value
            if value == before:
                break
        return choice

    def _add_boxes(self, choice: Choice) -> Choice:
        while True:
            value = self.value(choice)
            gains = [
                (self.value(other) - value - self._price(number), -number, other)
                for number in range(len(self.sizes))
                for other in self._list_additions(choice, number)
            ]
            gain, _, best = max(gains, key=lambda g: g[:2], default=(0.0, 0, choice))
            if gain < _LEAST_GAIN_OF_A_BOX:
                return choice
            choice = self._move(best)

    def _remove_boxes(self, choice: Choice) -> Choice:
        value = self.value(choice)
        for number in range(len(self.sizes)):
            for ratio in choice.ratios[number]:
                fewer = tuple(r for r in choice.ratios[number] if r != ratio)
                other = _replace_ratios(choice, number, fewer)
                price = self._price(number) + _LEAST_GAIN_OF_A_BOX
                if fewer and (other_value := self.value(other)) > value - price:
                    choice, value = other, other_value
        return choice

    def _price(self, number: int) -> float:
        return _PRICE * math.prod(self.sizes[number]) / math.prod(self.sizes[0])

    def _list_additions(self, choice: Choice, number: int) -> Iterator[Choice]:
        present = choice.ratios[number]
        if len(present) + 1 < self.most_boxes[number]:
            for ratio in range(len(RATIOS)):
                if ratio not in present:
                    yield _replace_ratios(choice, number, (*present, ratio))

    def _list_other_scales(self, choice: Choice, number: int) -> Iterator[Choice]:
        for step in _SCALE_STEPS:
            scales = list(choice.scales)
            scales[number] = scale = round(scales[number] * step, SCALE_DECIMALS)
            grows = all(b >= a * _LEAST_GROWTH for a, b in pairwise(scales))
            least = self.least_scale(number) if number < len(self.sizes) else 0.0
            if least <= scale <= MOST_SCALE and grows:
                yield replace(choice, scales=tuple(scales))

    def _list_other_ratios(self, choice: Choice, number: int) -> Iterator[Choice]:
        for position, ratio in enumerate(choice.ratios[number] if number < len(self.sizes) else ()):
            for other in (ratio - 1, ratio + 1):
                if 0 <= other < len(RATIOS) and other not in choice.ratios[number]:
                    ratios = list(choice.ratios[number])
                    ratios[position] = other
                    yield _replace_ratios(choice, number, ratios)

    @staticmethod
    def _map(choice: Choice, number: int) -> tuple[float, float, tuple[int, ...]]:
        return choice.scales[number], choice.scales[number + 1], choice.ratios[number]

    def _compute_fit_of_map(self, number: int, scale: float, following: float, ratios: tuple[int, ...]) -> Array:
        """The best IoU of every sample with an anchor of a map, [M]."""
        shapes = list_cell_shapes(scale, following, (RATIOS[r] for r in ratios))
        return reduce(np.maximum, [self._fit_of_shape(number, *shape) for shape in shapes])

    def _compute_fit_of_shape(self, number: int, height: float, width: float) -> Array:
        """The IoU of every sample with a map's nearest anchor of this shape, which is the best one, [M].

        Height and width are in shorter sides of the canvas.
        """
        return iou_at_distance(self._sizes, self._distances[number], np.array((height, width)) / self.unit)


def _replace_ratios(choice: Choice, number: int, ratios: Sequence[int]) -> Choice:
    changed = list(choice.ratios)
    changed[number] = tuple(sorted(ratios))
    return replace(choice, ratios=tuple(changed))
