"""A job, or one of its workers, is killed: the folder is never taken for a set, and a rerun completes it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configs import load_config
from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import checksums, make_records, make_set, receipts, start_records
from tests.commands import complaint, finished, output, run_python, wait_until
from tests.processes import children, kill_group, quiet_ports

CONFIG = replace(load_config("digits_demo").records, limit=40)
FLAGS = ("--limit=40", "--workers=2")
IN_MEMORY = "--running_mode=in_memory"
INTERRUPTED = "interrupted; run the same command again to go on"


def long(value: object) -> Any:
    """A parameter that only `make test-all` tries."""
    return pytest.param(value, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the set that nobody disturbed."""
    records = tmp_path_factory.mktemp("uninterrupted")
    make_set(records, CONFIG)
    return checksums(records)


def the_lock(records: Path) -> bool:
    return (records / ".lock").exists()


def a_temporary_shard(records: Path) -> bool:
    return any(records.glob(".attempt-*/*.tfrecord.*"))


def half_of_the_shards(records: Path) -> bool:
    return len(receipts(records)) >= 6


@pytest.mark.parametrize("moment", [long(the_lock), a_temporary_shard, long(half_of_the_shards)])
def test_killed_and_run_again(moment: Callable[[Path], bool], uninterrupted: dict[str, str], tmp_path: Path) -> None:
    job = start_records(f"--records={tmp_path}", *FLAGS)
    wait_until(lambda: moment(tmp_path), job)
    kill_group(job)
    with pytest.raises(UserError):
        load_manifest(str(tmp_path))
    there = len(receipts(tmp_path))
    assert make_set(tmp_path, CONFIG).kept == there
    assert checksums(tmp_path) == uninterrupted


@pytest.mark.parametrize("background", [False, long(True)])
def test_a_killed_worker_ends_the_job_with_one_line(
    background: bool, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    job = start_records(f"--records={tmp_path}", *FLAGS, background=background)
    wait_until(lambda: a_temporary_shard(tmp_path) or receipts(tmp_path), job)
    workers = children(job.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    line = complaint(finished(job))
    assert line.startswith("a worker process died, perhaps out of memory") and "run the same command again" in line
    assert not (tmp_path / "manifest.json").exists()
    assert not the_lock(tmp_path) and not list(tmp_path.glob(".attempt-*"))
    make_set(tmp_path, CONFIG)
    assert checksums(tmp_path) == uninterrupted


def test_workers_leave_ctrl_c_and_sigterm_to_their_job(uninterrupted: dict[str, str], tmp_path: Path) -> None:
    """A worker that SIGTERM ended before its job was told as one that died, perhaps out of memory."""
    job = start_records(f"--records={tmp_path}", *FLAGS)
    wait_until(lambda: a_temporary_shard(tmp_path) or receipts(tmp_path), job)
    for worker in children(job.pid):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker, number)
    output(finished(job))
    assert checksums(tmp_path) == uninterrupted


def test_a_worker_whose_job_is_gone_ends() -> None:
    """Beam's own looks for its job for two minutes. It ignores SIGTERM, so nobody would end it before."""
    nobody = [f"{name}_API_SERVICE_DESCRIPTOR" for name in ("CONTROL", "LOGGING")]
    env = {name: f"url: 'localhost:{port}'" for name, port in zip(nobody, quiet_ports(2), strict=True)}
    gone = str(os.getppid())  # not what starts the worker
    assert run_python("-m", "beam_jobs.runners.local_worker", gone, env=env, timeout=60).returncode == 1


@pytest.mark.long
@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
@pytest.mark.parametrize(
    ("send", "number"),
    [
        (os.killpg, signal.SIGINT),  # as a terminal does, to the workers too
        (os.killpg, signal.SIGTERM),  # as systemd and Slurm do
        (os.kill, signal.SIGTERM),
    ],
)
def test_interrupted(send: Callable[[int, int], None], number: signal.Signals, mode: str, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    records = tmp_path / "records"
    env = {"TMPDIR": str(temporary)}
    job = start_records(f"--records={records}", *FLAGS, f"--running_mode={mode}", env=env)
    wait_until(lambda: receipts(records), job)
    send(job.pid, number)
    assert complaint(finished(job)) == INTERRUPTED
    assert not (records / "manifest.json").exists() and not list(records.glob(".attempt-*"))
    assert not list(temporary.iterdir())


def test_terminated_while_the_boxes_are_measured(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    job = start_records(f"--records={tmp_path / 'records'}", IN_MEMORY, env={"TMPDIR": str(temporary)})
    wait_until(lambda: list(temporary.iterdir()), job)
    job.terminate()
    assert complaint(finished(job)) == INTERRUPTED
    assert not list(temporary.iterdir()) and not (tmp_path / "records").exists()


@pytest.mark.parametrize("seconds", [0.2, long(0.5), long(1.5)])
def test_interrupted_while_workers_start(seconds: float, tmp_path: Path) -> None:
    job = start_records(f"--records={tmp_path}", *FLAGS)
    wait_until(lambda: the_lock(tmp_path), job)
    time.sleep(seconds)
    os.killpg(job.pid, signal.SIGINT)
    done = finished(job)
    assert INTERRUPTED in done.stderr or done.returncode == 0, done
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_second_job_is_refused_while_the_first_lives(uninterrupted: dict[str, str], tmp_path: Path) -> None:
    first = start_records(f"--records={tmp_path}", "--limit=40", IN_MEMORY)
    wait_until(lambda: the_lock(tmp_path), first)
    os.kill(first.pid, signal.SIGSTOP)  # it lives, and takes its time
    try:
        line = complaint(make_records(f"--records={tmp_path}", "--limit=40", IN_MEMORY))
        assert line.startswith(f"another job is at work on {tmp_path}")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert finished(first).returncode == 0
    assert checksums(tmp_path) == uninterrupted
