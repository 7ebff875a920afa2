"""What a benchmark prints at its end: the machine, its load, a table, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.flags import FLAGS
from benchmarks.goals import Goal, goal_lines, require_goals
from benchmarks.machine import describe_machine, load_average


class Conditions(NamedTuple):
    """What figures depend on, as it is before a benchmark begins."""

    machine: str
    load: float

    @staticmethod
    def now() -> Conditions:
        """This machine and its load average."""
        return Conditions(describe_machine(), load_average())


def report(before: Conditions, subject: str, table: Sequence[str], goals: Sequence[Goal]) -> None:
    """Prints figures and goals. Raises `UserError` if a goal is missed, unless `--nogoals`."""
    print(before.machine)
    print(f"{subject}; load average before: {before.load:.1f}")
    print("\n".join([*table, *goal_lines(goals)]))
    if FLAGS.goals:
        require_goals(goals)
