"""A job, its workers, or one of them killed: the folder is never taken for a set, and a rerun makes it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import (
    PATIENCE,
    checksums,
    complaint,
    kill_all,
    output,
    receipts,
    run_command,
    start,
    wait_until,
)

LIMIT = "--limit=40"
IN_MEMORY = "--running_mode=in_memory"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the set that no one disturbed."""
    records = tmp_path_factory.mktemp("uninterrupted")
    output(run_command(f"--records={records}", LIMIT, IN_MEMORY))
    return checksums(records)


def the_lock(records: Path) -> bool:
    return (records / ".lock").exists()


def a_temporary_shard(records: Path) -> bool:
    return any(records.glob(".attempt-*/*.tfrecord.*"))


def half_of_the_shards(records: Path) -> bool:
    return len(receipts(records)) >= 6


@pytest.mark.parametrize("moment", [the_lock, a_temporary_shard, half_of_the_shards])
def test_killed_and_run_again(moment: Callable[[Path], bool], uninterrupted: dict[str, str], tmp_path: Path) -> None:
    job = start(f"--records={tmp_path}", LIMIT, "--workers=2")
    wait_until(lambda: moment(tmp_path), job)
    kill_all(job)
    with pytest.raises(UserError):
        load_manifest(str(tmp_path))
    finished = len(receipts(tmp_path))
    printed = output(run_command(f"--records={tmp_path}", LIMIT, IN_MEMORY))
    assert (f"{finished} of 12 shards were there already" in printed) == (finished > 0)
    assert checksums(tmp_path) == uninterrupted


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still live."""
    said = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in said.stdout.splitlines()]
    return [int(child) for child, parent, stat in rows if int(parent) == pid and not stat.startswith("Z")]


@pytest.mark.parametrize("background", [False, True])
def test_a_killed_worker_ends_the_job_with_one_line(
    background: bool, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    job = start(f"--records={tmp_path}", LIMIT, "--workers=2", background=background)
    wait_until(lambda: a_temporary_shard(tmp_path) or receipts(tmp_path), job)
    workers = children(job.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    said = job.communicate(timeout=PATIENCE)
    line = complaint(subprocess.CompletedProcess([], job.returncode, *said))
    assert "every worker must live to the end" in line and "Run the same command again" in line
    assert not (tmp_path / "manifest.json").exists()
    assert not the_lock(tmp_path) and not list(tmp_path.glob(".attempt-*"))
    output(run_command(f"--records={tmp_path}", LIMIT, IN_MEMORY))
    assert checksums(tmp_path) == uninterrupted


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_interrupted_from_the_keyboard(mode: str, tmp_path: Path) -> None:
    job = start(f"--records={tmp_path}", LIMIT, "--workers=2", f"--running_mode={mode}")
    wait_until(lambda: receipts(tmp_path), job)
    os.killpg(job.pid, signal.SIGINT)  # as a terminal does it: to the workers too
    said = job.communicate(timeout=PATIENCE)
    line = complaint(subprocess.CompletedProcess([], job.returncode, *said))
    assert line == "interrupted; run the same command again to go on"
    assert not (tmp_path / "manifest.json").exists() and not list(tmp_path.glob(".attempt-*"))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.5, 2.5])
def test_interrupted_while_workers_begin(seconds: float, tmp_path: Path) -> None:
    job = start(f"--records={tmp_path}", LIMIT, "--workers=2")
    wait_until(lambda: the_lock(tmp_path), job)
    time.sleep(seconds)
    os.killpg(job.pid, signal.SIGINT)
    said = job.communicate(timeout=PATIENCE)
    assert "interrupted; run the same command again" in said[1] or job.returncode == 0, said
    assert "Traceback" not in said[1]


def test_a_second_job_is_refused_while_the_first_lives(uninterrupted: dict[str, str], tmp_path: Path) -> None:
    first = start(f"--records={tmp_path}", LIMIT, IN_MEMORY)
    wait_until(lambda: the_lock(tmp_path), first)
    os.kill(first.pid, signal.SIGSTOP)  # it lives, and takes its time
    try:
        line = complaint(run_command(f"--records={tmp_path}", LIMIT, IN_MEMORY))
        assert line.startswith(f"another job is at work on {tmp_path}")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    assert checksums(tmp_path) == uninterrupted
