"""The jar of Beam's Flink job server, which runs beside the launcher. As a command it prints the path."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.errors import run_command
from cluster.fetch_jars import fetch
from cluster.jars import MAVEN, read_lock


def job_server_jar() -> Path:
    """The job server's jar in the cache, fetched if need be. Raises `ClusterError` if it cannot be had."""
    (jar,) = [jar for jar in read_lock() if jar.source == MAVEN]
    fetch([jar])
    return jar.path


if __name__ == "__main__":
    sys.exit(run_command(lambda: print(job_server_jar())))
