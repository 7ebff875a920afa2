"""A worker process of the local runner: Beam's own, without its diary on standard error.

What goes wrong in a worker reaches the job as the text of an exception, and is told there once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys

if __name__ == "__main__":
    # Ctrl-C ends a worker at once and in silence. The job, which it reaches too, may wait for one that has only begun.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    quiet = logging.StreamHandler()
    quiet.setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(quiet)  # before Beam adds one that tells all

    from apache_beam.runners.worker import sdk_worker_main

    # All is imported: from here on exceptions travel. Left is what libraries in C say of a job that was given up.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sdk_worker_main.main(sys.argv)
