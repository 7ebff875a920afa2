"""Goals of a benchmark: figures with a bound, and what happens if one is missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import UserError


@dataclass(frozen=True)
class Goal:
    """A figure and the bound that it should keep."""

    what: str
    measured: float
    bound: float
    at_least: bool = True
    digits: int = 0  # decimal places

    @property
    def met(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        number = f"{self.measured:,.{self.digits}f}"
        return f"{self.what}: {number} (goal: at {'least' if self.at_least else 'most'} {self.bound:,g})"


def goal_lines(goals: Sequence[Goal]) -> list[str]:
    """A line for each goal. Missed ones say so."""
    return [f"{goal}{'' if goal.met else ' MISSED'}" for goal in goals]


def require_goals(goals: Sequence[Goal]) -> None:
    """Raises `UserError` naming the goals that were missed, if any."""
    missed = [str(goal) for goal in goals if not goal.met]
    if missed:
        raise UserError(f"goals missed on this machine: {'; '.join(missed)}")
