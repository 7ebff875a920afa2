"""The command `verify` with a check of shards that never ends, run as a module by tests."""

from __future__ import annotations

import os
import time
from pathlib import Path

from beam_jobs import verify
from beam_jobs.checks.check_shard import ShardCheck, ShardFindings
from pipeline.command_line import run_command


def never_checked(check: ShardCheck) -> ShardFindings:
    """Says in the record folder which process it is, and waits."""
    (Path(check.manifest.folder) / f"reading-{os.getpid()}").touch()
    time.sleep(3600)
    raise AssertionError


if __name__ == "__main__":
    from tests.beam_jobs import endless_verify

    verify.check_shard = endless_verify.never_checked
    run_command(verify.main)
