"""Beam's portable job service in Python, which abandons a job when one of its workers dies.

It does so by restarting itself: the launcher's connection breaks at once, and the next run of the job keeps the
finished shards.
"""

from __future__ import annotations

import os
import sys

from apache_beam.runners.portability import local_job_service_main

from beam_jobs.runners.beam_workarounds import call_when_worker_dies


def restart() -> None:
    """Replaces this process with a new one that runs the same command."""
    print("a worker died: its job is abandoned, and the job service restarts", flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "cluster.job_service", *sys.argv[1:]])


if __name__ == "__main__":
    call_when_worker_dies(restart)
    local_job_service_main.run(sys.argv[1:])
