"""The command `verify`: what it prints, how it ends, and what happens when one of its processes dies."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.records.packed_view import RecordView
from tests.beam_jobs.forged_set import forge, in_view, second
from tests.beam_jobs.record_job import checksums, findings
from tests.commands import complaint, finished, output, run_module, start_module, wait_until
from tests.processes import children, runs


def verify(records: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return run_module("beam_jobs.verify", f"--records={records}", *flags)


def shifted_box(view: RecordView) -> RecordView:
    return replace(view, boxes=view.boxes * np.float32(0.9))


def test_a_whole_set(records: Path) -> None:
    before = checksums(records)
    assert findings(records) == []
    printed = output(verify(records, "--full"))
    assert "records read" in printed and f"{records} is whole: no faults found" in printed
    assert checksums(records) == before


def test_findings_are_printed_and_end_the_command_with_one_line(records: Path) -> None:
    name = forge(records, second(in_view(shifted_box)))
    done = verify(records, "--sample=100000", "--workers=1")
    assert f"wrong: {name}: record 1 (train/" in done.stdout
    assert complaint(done).startswith(f"{records} has ")


def test_no_set_at_all(tmp_path: Path) -> None:
    assert complaint(verify(tmp_path)).startswith(f"{tmp_path}/manifest.json cannot be read: No such file")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_dies_ends_the_command(number: signal.Signals, records: Path) -> None:
    """Every process waits for a shard that is never read; Ctrl-C reaches them all."""
    command = start_module("tests.beam_jobs.endless_verify", f"--records={records}", "--workers=2")
    wait_until(lambda: len(list(records.glob("reading-*"))) == 2, command)
    workers = [pid for pid in children(command.pid) if (records / f"reading-{pid}").exists()]
    if number is signal.SIGINT:
        os.killpg(command.pid, number)
        assert complaint(finished(command)) == "interrupted; run the same command again to go on"
    else:
        os.kill(workers[0], number)
        assert complaint(finished(command)).startswith("a verify process died, perhaps out of memory; run the same")
    wait_until(lambda: not any(runs(worker) for worker in workers))


def test_no_process_outlives_the_command(records: Path) -> None:
    command = start_module("tests.beam_jobs.endless_verify", f"--records={records}", "--workers=2")
    wait_until(lambda: len(list(records.glob("reading-*"))) == 2, command)
    workers = [pid for pid in children(command.pid) if (records / f"reading-{pid}").exists()]
    assert len(workers) == 2
    command.kill()
    wait_until(lambda: not any(runs(worker) for worker in workers))
    command.communicate()
