"""What the benchmark of reader and records job measures, the goals, and the table of both."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass

from benchmarks.goals import Goal, goal_lines

WORKERS = 2


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    generator: float  # images a second
    reader: float  # images a second
    job: float  # images a second
    job_seconds: float
    peak_bytes: int  # of the job's processes together
    record_bytes: float
    examples: int


def goals(rounds: list[Round]) -> list[Goal]:
    """The goals of reader, job and record size, with what the rounds reached: medians."""
    median = _median(rounds)
    reader_times = statistics.median(r.reader / r.generator for r in rounds)
    job_times = statistics.median(r.job / r.generator for r in rounds)
    return [
        Goal("reader's rate, in generators", reader_times, 8, digits=1),
        Goal("records job's rate, in generators", job_times, 4, digits=1),
        Goal("records job's rate, in images/s", median.job, 3_800),
        Goal("bytes a record", median.record_bytes, 13_312, at_least=False),
    ]


def table(rounds: list[Round]) -> str:
    """The median rates, then a line for each goal."""
    median = _median(rounds)
    rates = {
        "notebook's generator, one core": median.generator,
        "reader, one thread on one core": median.reader,
        f"records job, whole process, {WORKERS} cores": median.job,
    }
    lines = [f"{what:<40}{rate:>10,.0f} images/s" for what, rate in rates.items()]
    size, memory = f"{median.examples:,.0f} images", f"{median.peak_bytes / 1e6:,.0f} MB"
    lines.append(f"records job: {size} in {median.job_seconds:.1f} s, peak memory {memory}")
    return "\n".join([*lines, *goal_lines(goals(rounds))])


def _median(rounds: list[Round]) -> Round:
    return Round(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, rounds), strict=True)))
