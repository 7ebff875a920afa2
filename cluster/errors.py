"""How the cluster's commands end: as every command, and an error may show the last lines of a log."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.command_line import exit_status
from pipeline.errors import printable


def run_with_log_lines(main: Callable[[], None]) -> int:
    """Runs a command and returns its exit status. A `UserError` may have several lines, see `exit_status`."""
    return exit_status(main, interrupted="`make cluster-down` stops what was started", show=_printable_lines)


def _printable_lines(message: str) -> str:
    return "\n".join(printable(line.expandtabs()) for line in message.split("\n"))
