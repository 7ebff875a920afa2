"""Errors of the cluster commands: one line on standard error, exit status 1."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.errors import os_error_text, printable


class ClusterError(Exception):
    """A problem that the user can fix. The message is one line: what is wrong, where, and what to do."""


def run_command(main: Callable[[], None]) -> int:
    """Runs a command and returns its exit status.

    A `ClusterError` or an `OSError` is printed without a traceback, in one line unless lines of a log follow.
    """
    try:
        main()
    except ClusterError as error:
        message = "\n".join(printable(line.expandtabs()) for line in str(error).split("\n"))
    except OSError as error:
        message = printable(os_error_text(error))
    except KeyboardInterrupt:
        message = "interrupted; `make cluster-down` stops what was started"
    else:
        return 0
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1
