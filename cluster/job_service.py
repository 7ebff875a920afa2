"""Beam's portable job service in Python, which gives a job up when one of its workers dies.

The service starts anew then, so that the launcher sees its connection break at once; the next run of the job keeps
the shards that are finished.
"""

from __future__ import annotations

import os
import sys

from apache_beam.runners.portability import local_job_service_main

from cluster.dead_workers import when_worker_dies


def start_anew() -> None:
    """Puts a new process like this one in its place."""
    print("a worker died: its job is given up, and the job service starts anew", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "cluster.job_service", *sys.argv[1:]])


if __name__ == "__main__":
    when_worker_dies(start_anew)
    local_job_service_main.run(sys.argv[1:])
