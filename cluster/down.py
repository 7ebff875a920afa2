"""Stops what `make cluster-up` started, children included. It is not an error if nothing is running."""

from __future__ import annotations

import sys

from cluster.errors import run_with_log_lines
from cluster.processes import load, stop
from cluster.settings import ClusterSettings, parse_settings
from pipeline.errors import printable


def down(settings: ClusterSettings) -> None:
    """Stops the cluster's processes. Its logs stay."""
    processes = load(settings.state)
    stop(processes)
    settings.state.unlink(missing_ok=True)
    print(printable(f"cluster is down; logs in {settings.logs}") if processes else "the cluster was not up")


if __name__ == "__main__":
    sys.exit(run_with_log_lines(lambda: down(parse_settings(__doc__))))
