"""A worker process of the local runner: Beam's own, without Beam's log on standard error.

An error in a worker reaches the job as the text of an exception, and is printed there once.

`python -m beam_jobs.runners.local_worker JOB`, where JOB is the process id of the job that starts it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import Any


def end_without(job: int) -> None:
    """Ends this process soon after the end of the process that started it, however that ended.

    On its own, Beam's worker would look for the vanished job for two minutes, and only SIGKILL would end it.
    """

    def watch() -> None:
        while os.getppid() == job:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_without(int(sys.argv[1]))
    quiet = logging.StreamHandler()
    quiet.setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(quiet)  # before Beam adds a handler that prints everything

    from apache_beam.runners.worker import data_plane, sdk_worker_main

    class ShortBuffer(data_plane.SizeBasedBufferingClosableOutputStream):
        """Sends data in messages of 1 MiB instead of 10 MiB, because each is copied several times on its way."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{"size_flush_threshold": 1 << 20, **kwargs})

    data_plane.SizeBasedBufferingClosableOutputStream = ShortBuffer  # type: ignore[misc]

    # From here on exceptions reach the job. All that is lost is what C libraries print when a job is abandoned.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sdk_worker_main.main(sys.argv)
