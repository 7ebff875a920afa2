"""The figures of the reader and records-job benchmark, their goals, and the table of both."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass

from benchmarks.goals import Goal

WORKERS = 2
MANY_VIEWS = 16


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    generator: float  # images a second
    one_view: float  # the reader's sparse batches, images a second
    many_views: float  # the same, of records with `MANY_VIEWS`
    dense: float  # with canvases and dense targets made on the host
    job: float  # images a second
    job_seconds: float
    peak_bytes: int  # of the job's processes together
    record_bytes: float
    many_bytes: float  # of a record with `MANY_VIEWS`
    feed_bytes: float  # of an image in a sparse batch: what goes to the device
    examples: int


def goals(rounds: list[Round]) -> list[Goal]:
    """The goals of reader, job and record size, with the medians of the rounds."""
    median = _median(rounds)
    one_view, many_views, job = (
        statistics.median(getattr(r, name) / r.generator for r in rounds) for name in ("one_view", "many_views", "job")
    )
    return [
        Goal("reader, one view, times as fast as the generator", one_view, 40, digits=1),
        Goal(f"reader, {MANY_VIEWS} views, times as fast as the generator", many_views, 25, digits=1),
        Goal("records job, times as fast as the generator", job, 4, digits=1),
        Goal("records job's rate, in images/s", median.job, 3_800),
        Goal("bytes a record, one view", median.record_bytes, 13_312, at_least=False),
        Goal(f"bytes a record, {MANY_VIEWS} views", median.many_bytes, 24 << 10, at_least=False),
        Goal("bytes to the device, an image", median.feed_bytes, 16 << 10, at_least=False),
    ]


def table(rounds: list[Round]) -> list[str]:
    """The median rates, time and memory."""
    median = _median(rounds)
    rates = {
        "notebook's generator, one core": median.generator,
        "reader, one thread on one core": median.one_view,
        f"reader, {MANY_VIEWS} views": median.many_views,
        "reader, dense batches": median.dense,
        f"records job, whole process, {WORKERS} cores": median.job,
    }
    lines = [f"{what:<40}{rate:>10,.0f} images/s" for what, rate in rates.items()]
    size, memory = f"{median.examples:,.0f} images", f"{median.peak_bytes / 1e6:,.0f} MB"
    lines.append(f"records job: {size} in {median.job_seconds:.1f} s, peak memory {memory}")
    return lines


def _median(rounds: list[Round]) -> Round:
    return Round(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, rounds), strict=True)))
