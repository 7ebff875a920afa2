"""SIGKILL to a job and its workers at random moments: the rerun's set is the uninterrupted one."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from pipeline.errors import UserError
from pipeline.manifest import load_manifest
from tests.beam_jobs.record_job import checksums, findings, kill_all, output, receipts, run_command, start

KILLS = 20
FLAGS = ("--limit=100", "--workers=2")
AGAIN = ("--limit=100", "--running_mode=in_memory")


def test_kills(tmp_path: Path) -> None:
    random_moment = random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    whole = tmp_path / "uninterrupted"
    started = time.monotonic()
    output(run_command(f"--records={whole}", *FLAGS))
    seconds = time.monotonic() - started
    expected = checksums(whole)
    shards = len(receipts(whole))
    kept, moments, late = [], [], 0
    for number in range(KILLS):
        records = tmp_path / str(number)
        job = start(f"--records={records}", *FLAGS)
        moments.append(random_moment.uniform(0, seconds))
        time.sleep(moments[-1])
        late += job.poll() is not None
        kill_all(job)
        finished = len(receipts(records))
        try:
            load_manifest(str(records))
        except UserError:
            pass
        else:  # only once all is there
            assert expected.items() <= checksums(records).items()
        printed = output(run_command(f"--records={records}", *AGAIN))
        assert (f"{finished} of {shards} shards were there already" in printed) == (finished > 0)
        kept.append(finished)
        assert checksums(records) == expected
    assert findings(tmp_path / str(KILLS - 1)) == []
    print(
        f"\nkills: {KILLS} at {min(moments):.1f} to {max(moments):.1f} s of {seconds:.1f} s ({late} after the end), "
        f"{kept} of {shards} shards finished by then and kept; {KILLS} reruns, each equal to the uninterrupted set"
    )
