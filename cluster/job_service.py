"""Beam's portable job service in Python, which ends a job whose worker died.

Beam's own service waits for ever for the answer of a dead worker, and so does whoever launched the job. Here
the thread that reads from a worker tells, by the exception that ends it; then the service starts anew, the
launcher sees its connection break at once, and the next run of the job keeps the shards that are finished.
"""

from __future__ import annotations

import os
import sys
import threading

from apache_beam.runners.portability import local_job_service_main

READER = "beam_control_read"  # Beam's name of that thread; it ends without an exception when a job ends well


def start_anew_if_worker_died(failure: threading.ExceptHookArgs) -> None:
    """A `threading.excepthook`: the process starts anew when the connection to a worker breaks."""
    threading.__excepthook__(failure)
    if failure.thread is not None and failure.thread.name == READER:
        print("a worker died: its job is given up, and the job service starts anew", flush=True)
        os.execv(sys.executable, [sys.executable, "-m", "cluster.job_service", *sys.argv[1:]])


if __name__ == "__main__":
    threading.excepthook = start_anew_if_worker_died
    local_job_service_main.run(sys.argv[1:])
