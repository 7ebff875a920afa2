"""The search for anchors that fit boxes: what scales and ratios are worth, and which changes are tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import pairwise

import numpy as np

from pipeline.geometry.anchor_fit import GOOD_IOU, centre_distances, iou_at_distance
from pipeline.geometry.anchors import cell_shapes
from pipeline.geometry.boxes import Array

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


@dataclass(frozen=True)
class Samples:
    """Boxes that anchors must fit, and where they lie."""

    centers: Array  # [M, 2] y, x in [0, 1]
    sizes: Array  # [M, 2] height, width in [0, 1]
    weights: Array  # [M], sum 1


@dataclass(frozen=True)
class Choice:
    """Scales and ratios relative to the canvas, as `AnchorConfig` has them, with the additional square of each cell."""

    scales: tuple[float, ...]  # of K maps, and the one after the last
    ratios: tuple[tuple[int, ...], ...]  # indices into `RATIOS`, for each map, ascending


class AnchorSearch:
    """Improves a choice until no small change makes it better.

    Args:
        samples: what must be fitted.
        cells: rows (and columns) of each map, finest first.
        most_boxes: of a cell, for each map.
    """

    def __init__(self, samples: Samples, cells: Sequence[int], most_boxes: Sequence[int]) -> None:
        self.samples, self.cells, self.most_boxes = samples, tuple(cells), tuple(most_boxes)
        # Column-major: heights and widths are contiguous, which halves the time.
        self._sizes = np.asfortranarray(samples.sizes)
        self._distances = [np.asfortranarray(centre_distances(samples.centers, (n, n))) for n in cells]
        self._softness = 0.0
        # Most choices that are compared differ in one map, or in one shape.
        self._fit_of_shape = lru_cache(maxsize=512)(self._uncached_fit_of_shape)
        self._fit_of_map = lru_cache(maxsize=128)(self._uncached_fit_of_map)

    def improve(self, choice: Choice, *, softness: float) -> Choice:
        """Moves scales and ratios, adds boxes that are worth their price and removes others.

        Args:
            choice: where to begin.
            softness: a best IoU counts from `GOOD_IOU` minus this, and in full from `GOOD_IOU` plus this.
        """
        self._softness = softness
        for _ in range(_ROUNDS):
            before = choice
            choice = self._with_more_boxes(self._moved(choice))
            choice = self._moved(self._with_fewer_boxes(choice))
            if choice == before:
                break
        return choice

    def value(self, choice: Choice) -> float:
        """The share of boxes that are covered, and a little for their mean IoU."""
        best = reduce(np.maximum, [self._fit_of_map(k, *self._map(choice, k)) for k in range(len(self.cells))])
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
        return 0.5 / self.cells[0] if number == 0 else min(1.0 / self.cells[number], 0.5)

    def _moved(self, choice: Choice) -> Choice:
        value = self.value(choice)
        for _ in range(_ROUNDS):
            before = value
            for change in (self._other_scales, self._other_ratios):
                for number in range(len(choice.scales)):
                    for other in change(choice, number):
                        if (other_value := self.value(other)) > value + _LEAST_GAIN:
                            choice, value = other, other_value
            if value == before:
                break
        return choice

    def _with_more_boxes(self, choice: Choice) -> Choice:
        while True:
            value = self.value(choice)
            gains = [
                (self.value(other) - value - self._price(number), -number, other)
                for number in range(len(self.cells))
                for other in self._one_more(choice, number)
            ]
            gain, _, best = max(gains, key=lambda g: g[:2], default=(0.0, 0, choice))
            if gain < _LEAST_GAIN_OF_A_BOX:
                return choice
            choice = self._moved(best)

    def _with_fewer_boxes(self, choice: Choice) -> Choice:
        value = self.value(choice)
        for number in range(len(self.cells)):
            for ratio in choice.ratios[number]:
                fewer = tuple(r for r in choice.ratios[number] if r != ratio)
                other = _with_ratios(choice, number, fewer)
                price = self._price(number) + _LEAST_GAIN_OF_A_BOX
                if fewer and (other_value := self.value(other)) > value - price:
                    choice, value = other, other_value
        return choice

    def _price(self, number: int) -> float:
        return _PRICE * (self.cells[number] / self.cells[0]) ** 2

    def _one_more(self, choice: Choice, number: int) -> Iterator[Choice]:
        present = choice.ratios[number]
        if len(present) + 1 < self.most_boxes[number]:
            for ratio in range(len(RATIOS)):
                if ratio not in present:
                    yield _with_ratios(choice, number, (*present, ratio))

    def _other_scales(self, choice: Choice, number: int) -> Iterator[Choice]:
        for step in _SCALE_STEPS:
            scales = list(choice.scales)
            scales[number] = scale = round(scales[number] * step, SCALE_DECIMALS)
            grows = all(b >= a * _LEAST_GROWTH for a, b in pairwise(scales))
            least = self.least_scale(number) if number < len(self.cells) else 0.0
            if least <= scale <= MOST_SCALE and grows:
                yield replace(choice, scales=tuple(scales))

    def _other_ratios(self, choice: Choice, number: int) -> Iterator[Choice]:
        for position, ratio in enumerate(choice.ratios[number] if number < len(self.cells) else ()):
            for other in (ratio - 1, ratio + 1):
                if 0 <= other < len(RATIOS) and other not in choice.ratios[number]:
                    ratios = list(choice.ratios[number])
                    ratios[position] = other
                    yield _with_ratios(choice, number, ratios)

    @staticmethod
    def _map(choice: Choice, number: int) -> tuple[float, float, tuple[int, ...]]:
        return choice.scales[number], choice.scales[number + 1], choice.ratios[number]

    def _uncached_fit_of_map(self, number: int, scale: float, following: float, ratios: tuple[int, ...]) -> Array:
        """The best IoU of every sample with an anchor of a map, [M]."""
        shapes = cell_shapes(scale, following, (RATIOS[r] for r in ratios))
        return reduce(np.maximum, [self._fit_of_shape(number, *shape) for shape in shapes])

    def _uncached_fit_of_shape(self, number: int, height: float, width: float) -> Array:
        """The IoU of every sample with a map's nearest anchor of this shape, which is the best one, [M]."""
        return iou_at_distance(self._sizes, self._distances[number], np.array((height, width)))


def _with_ratios(choice: Choice, number: int, ratios: Sequence[int]) -> Choice:
    changed = list(choice.ratios)
    changed[number] = tuple(sorted(ratios))
    return replace(choice, ratios=tuple(changed))
