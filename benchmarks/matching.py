"""Compares matching near objects with matching from the table of every IoU, on one core, in one run.

    python -m benchmarks.matching

Every round times both ways in turn on the same images. The table shows the medians; ratios are taken within a round.
Ends with status 1 if a goal is missed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.flags import FLAGS
from benchmarks.goals import Goal
from benchmarks.one_core_rate import pin_to_one_core
from benchmarks.report import Conditions, report
from configs import load_config
from pipeline.command_line import run_command
from pipeline.geometry.anchors import Anchors, make_anchors
from pipeline.geometry.boxes import Array, iou
from pipeline.geometry.matching import Matches, MatchingConfig, match
from pipeline.geometry.near_matching import match_views

ROUNDS = 30
CONFIG = "cifar10_improved"
SIDES = (16, 112)  # of objects, pixels on a canvas of 224
IMAGES = 8  # of each kind; a round matches all of them


ImageBoxes = Sequence[Array]  # the boxes of each view


@dataclass(frozen=True)
class Kind:
    """What is matched in one call. `goal` is the speed that matching near objects must reach, relative to the table."""

    name: str
    counts: tuple[int, ...]  # objects of each view, or of each image with one view
    goal: float | None


KINDS = (
    Kind("1 object", (1,), 0.9),  # both use the table: only the choice, about 1 µs, and noise differ
    Kind("10 objects", (10,), 3.0),
    Kind("50 objects", (50,), 5.0),
    Kind("200 objects", (200,), None),
    Kind("16 views of 1 object", (1,) * 16, 2.0),
    Kind("64 images of 1 object", (1,) * 64, 3.0),  # as the records job matches those that have one view
)


@dataclass(frozen=True)
class Result:
    """Median times of one kind."""

    kind: Kind
    table: float  # milliseconds a call
    near: float  # milliseconds a call
    ratio: float


def random_image(random: np.random.Generator, counts: Sequence[int], canvas: int) -> ImageBoxes:
    """Rectangles anywhere on the canvas, as a record stores them."""
    views = []
    for count in counts:
        sides = random.integers(SIDES[0], SIDES[1] + 1, (count, 2))
        low = random.integers(0, canvas - sides + 1)
        corners = np.concatenate([low, low + sides], axis=1) / canvas
        views.append(corners.astype(np.float32).astype(np.float64))
    return views


def match_tables(views: ImageBoxes, anchors: Anchors, config: MatchingConfig) -> list[Matches]:
    """Matches each view from the table of its IoU with every anchor."""
    return [match(iou(view, anchors.corners, other_areas=anchors.areas), config) for view in views]


def measure(kind: Kind, anchors: Anchors, config: MatchingConfig, *, canvas: int, rounds: int) -> Result:
    """Times both ways on the same images, in turn."""
    random = np.random.default_rng(0)
    images = [random_image(random, kind.counts, canvas) for _ in range(IMAGES)]

    def seconds(way: Callable[[ImageBoxes, Anchors, MatchingConfig], list[Matches]]) -> float:
        started = time.thread_time()  # not wall-clock time, so that other load counts less
        for image in images:
            way(image, anchors, config)
        return (time.thread_time() - started) / IMAGES

    seconds(match_tables), seconds(match_views)  # warm-up: anchors compute their grids once
    timed = [(seconds(match_tables), seconds(match_views)) for _ in range(rounds)]
    table, near = (statistics.median(times) * 1e3 for times in zip(*timed, strict=True))
    return Result(kind, table, near, statistics.median(a / b for a, b in timed))


def goals(results: Sequence[Result]) -> list[Goal]:
    """The goals of the kinds that have one, with the measured ratios."""
    return [
        Goal(f"{result.kind.name}, times as fast as the table", result.ratio, result.kind.goal, digits=2)
        for result in results
        if result.kind.goal is not None
    ]


def table(results: Sequence[Result]) -> list[str]:
    """A line for each kind, below a heading."""
    lines = [f"{'one call':<24}{'table, ms':>10}{'near, ms':>10}{'ratio':>8}"]
    for result in results:
        lines.append(f"{result.kind.name:<24}{result.table:>10.3f}{result.near:>10.3f}{result.ratio:>8.2f}")
    return lines


def main() -> None:
    """Measures all kinds and prints the table. Raises `UserError` if a goal is missed, unless `--nogoals`."""
    before = Conditions.now()
    pin_to_one_core()
    records = load_config(CONFIG).records
    anchors = make_anchors(records.anchors, records.canvas)
    results = [
        measure(kind, anchors, records.matching, canvas=records.canvas[0], rounds=FLAGS.rounds or ROUNDS)
        for kind in KINDS
    ]
    report(before, f"{CONFIG}: {len(anchors):,} anchors; one core", table(results), goals(results))


if __name__ == "__main__":
    run_command(main)
