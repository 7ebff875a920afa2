"""A worker process of the local runner: `python -m beam_jobs.runners.local_worker JOB`.

JOB is the process id of the job that starts it, and with which it ends.
"""

from __future__ import annotations

import sys

from beam_jobs.runners.beam_workarounds import end_without, run_quiet_worker

if __name__ == "__main__":
    end_without(int(sys.argv[1]))
    run_quiet_worker()
