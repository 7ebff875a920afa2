"""How the cluster commands end: errors go to standard error, and the exit status is 1."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pipeline.errors import UserError, printable, told


def run_command(main: Callable[[], None]) -> int:
    """Runs a command and returns its exit status. An error is one line; a `UserError` may add lines of a log."""
    try:
        main()
    except UserError as error:
        message = "\n".join(printable(line.expandtabs()) for line in str(error).split("\n"))
    except Exception as error:
        message = printable(told(error))
    except KeyboardInterrupt:
        message = "interrupted; `make cluster-down` stops what was started"
    else:
        return 0
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 1
