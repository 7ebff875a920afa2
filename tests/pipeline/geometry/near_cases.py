"""Cases for near matching, random and mean, and what the table of every IoU makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.geometry.anchors import Anchors, Centers, FeatureMap
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import FORCED, IOU_DECIMALS, Matches, MatchingConfig, match

THRESHOLDS = (0.05, 0.1, 0.3, 0.4, 0.5, 0.7, 0.95, 1.0)
SIDES = (0.05, 0.125, 0.25, 0.3, 0.5, 0.75, 1.0, 1.3)  # of anchors; some are exact in binary, so that ties are exact


def match_table(views: Sequence[Array], anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """The matches of each view from its table of every IoU."""
    return [match(iou(view, anchors.corners), config) for view in views]


def assert_same(found: Sequence[Matches], expected: Sequence[Matches]) -> None:
    """Equal to the bit, types included."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("anchors", "ground_truths", "ignored", "best_iou"):
            ours_part, theirs_part = getattr(ours, name), getattr(theirs, name)
            assert ours_part.dtype == theirs_part.dtype
            np.testing.assert_array_equal(ours_part, theirs_part, name)


def random_anchors(random: np.random.Generator, *, most_cells: int = 9) -> Anchors:
    """One to three maps, rarely square, some of one cell, with one to four shapes; a shape may come twice.

    Of every fourth map, the cells do not fill the canvas, or reach out of it.
    """
    maps = []
    for _ in range(random.integers(1, 4)):
        rows, columns = random.integers(1, most_cells + 1, 2).tolist()
        size = random.choice([(rows, columns), (rows, rows), (1, 1), (1, columns)]).tolist()
        boxes = random.choice(SIDES, (random.integers(1, 5), 2)).tolist()
        feature_map = FeatureMap((size[0], size[1]), tuple((h, w) for h, w in boxes))
        if random.random() < 0.25:
            (y, x), (rows, columns) = random.choice([0.0, 0.5, 0.8], 2).tolist(), random.uniform(0.6, 1.4, 2).tolist()
            feature_map = replace(feature_map, centers=Centers((y, x), (rows * size[0], columns * size[1])))
        maps.append(feature_map)
    return Anchors(tuple(maps))


def random_boxes(random: np.random.Generator, anchors: Anchors, count: int) -> Array:
    """Corners as a record stores them, [G, 4]: of every kind that could go wrong."""
    boxes = [_random_box(random, anchors) for _ in range(count)]
    for copy in range(1, count):
        if random.random() < 0.15:
            boxes[copy] = boxes[random.integers(copy)]
    return np.reshape(boxes, (count, 4)).astype(np.float32).astype(np.float64)


def _random_box(random: np.random.Generator, anchors: Anchors) -> Array:
    kind = random.integers(7)
    if kind == 0:  # on a grid, so that it touches, holds and equals anchors
        corner = random.integers(0, 15, 2)
        return np.concatenate([corner, np.minimum(corner + random.integers(1, 17, 2), 16)]) / 16
    if kind == 1:  # an anchor itself, cut off at the border or not
        box = anchors.corners[random.integers(len(anchors))]
        return box if random.random() < 0.5 else box.clip(0, 1)
    if kind == 2:  # inside many an anchor
        low = random.random(2) * 0.98
        return np.concatenate([low, low + random.random(2) * 0.02 + 1e-5])
    if kind == 3:  # larger than half of the canvas
        return np.concatenate([random.random(2) * 0.4, 1 - random.random(2) * 0.4])
    if kind == 4:  # on the border
        box = np.concatenate([random.random(2) * 0.5, random.random(2) * 0.5 + 0.5])
        side = random.integers(4)
        box[side] = side // 2
        return box
    if kind == 5:  # a line or a point
        low = random.random(2)
        return np.concatenate([low, low + random.choice([0.0, 0.3]) * np.array([0, 1])])
    low = random.random(2) * 0.9  # anything
    return np.concatenate([low, low + (1 - low) * random.random(2)])


def random_config(random: np.random.Generator, boxes: Array, anchors: Anchors) -> MatchingConfig:
    """Thresholds: round ones, or the rounded IoU of some pair, which its IoU may just miss. Any rule of forcing."""
    table = np.round(iou(boxes, anchors.corners), IOU_DECIMALS)
    hit = table[table > 0.01]

    def threshold() -> float:
        return float(random.choice(hit if len(hit) and random.random() < 0.5 else THRESHOLDS))

    forced = "bipartite" if random.random() < 0.5 else str(random.choice(FORCED))
    return MatchingConfig(threshold(), threshold() if random.random() < 0.8 else None, forced)
