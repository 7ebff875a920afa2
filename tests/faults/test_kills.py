"""A job and its workers are killed at random moments: a rerun gives the same set as an uninterrupted job."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import checksums, findings, make_records, receipts, start_records
from tests.commands import finished, output
from tests.faults.repetitions import repetitions
from tests.processes import kill_group

KILLS = repetitions(full=20, short=3)
FLAGS = ("--limit=100", "--workers=2")
AGAIN = ("--limit=100", "--running_mode=in_memory")


def wait_for_a_shard(job: subprocess.Popen[str], records: Path) -> None:
    """Waits until a job has finished its first shard, or has ended."""
    while job.poll() is None and not receipts(records):
        time.sleep(0.002)


def test_kills(tmp_path: Path) -> None:
    random_moment = random.Random(int(os.environ.get("FAULTS_SEED", "0")))
    whole = tmp_path / "uninterrupted"
    started = time.monotonic()
    job = start_records(f"--records={whole}", *FLAGS)
    wait_for_a_shard(job, whole)
    first = time.monotonic() - started
    assert finished(job).returncode == 0
    seconds = time.monotonic() - started
    expected = checksums(whole)
    shards = len(receipts(whole))
    kept, late = [], 0
    for number in range(KILLS):
        records = tmp_path / str(number)
        job = start_records(f"--records={records}", *FLAGS)
        if number % 2:  # at any time, otherwise while shards are written
            time.sleep(random_moment.uniform(0, seconds))
        else:
            wait_for_a_shard(job, records)
            time.sleep(random_moment.uniform(0, seconds - first))
        late += job.poll() is not None
        kill_group(job)
        whole_shards = len(receipts(records))
        try:
            load_manifest(str(records))
        except UserError:
            pass
        else:  # the manifest is there only when everything is
            assert expected.items() <= checksums(records).items()
        printed = output(make_records(f"--records={records}", *AGAIN))
        assert (f"{whole_shards} of {shards} shards were already complete" in printed) == (whole_shards > 0)
        kept.append(whole_shards)
        assert checksums(records) == expected
    assert findings(tmp_path / str(KILLS - 1)) == []
    print(
        f"\nkills: {KILLS} in a job of {seconds:.1f} s, its first shard after {first:.1f} s ({late} after the end), "
        f"{kept} of {shards} shards finished by then and kept; {KILLS} reruns, each equal to the uninterrupted set"
    )
