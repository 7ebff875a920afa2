"""A worker process of the local runner: Beam's own, without its diary on standard error.

What goes wrong in a worker reaches the job as the text of an exception, and is told there once.
"""

from __future__ import annotations

import logging
import sys

if __name__ == "__main__":
    quiet = logging.StreamHandler()
    quiet.setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(quiet)  # before Beam adds one that tells all

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
