"""Which configurations an ablation trains, and the table of their scores."""

from __future__ import annotations

from collections.abc import Collection

from configs import config_names
from model.training.run_log import EpochRow
from pipeline.errors import UserError

FOLDER = "ablations"  # in configs/
REFERENCE = "reference"  # the configuration there that the others are compared with


def choose_names(only: Collection[str]) -> list[str]:
    """The reference's name, then those of the ablations in `only`, or of all if it is empty.

    Raises `UserError` if there is no such ablation.
    """
    known = [name.removeprefix(f"{FOLDER}.") for name in config_names() if name.startswith(f"{FOLDER}.")]
    if unknown := sorted(set(only) - set(known)):
        raise UserError(f"--only must name some of {', '.join(known)}, got {', '.join(unknown)}")
    return [REFERENCE, *(name for name in known if name != REFERENCE and (not only or name in only))]


def table(reached: dict[str, EpochRow]) -> list[str]:
    """The last line of each run's history, as a table in Markdown.

    Args:
        reached: the last line of each run's history, as `read_history` returns it, by the name of the change. The
            first is the reference.
    """
    first = next(iter(reached.values()))
    lines = ["| changed | AP on val | AP50 | difference | AP of raw weights |", "|---|---|---|---|---|"]
    for name, row in reached.items():
        beside = "" if row is first or row.AP is None or first.AP is None else f"{row.AP - first.AP:+.4f}"
        lines.append(f"| `{name}` | {_figure(row.AP)} | {_figure(row.AP50)} | {beside} | {_figure(row.raw_AP)} |")
    return lines


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
