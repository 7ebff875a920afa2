"""A cluster's processes are not mistaken for others, and end with their children."""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import pytest

from cluster.processes import Process, is_alive, load, save, start, stop
from pipeline.errors import UserError
from tests.commands import wait_until
from tests.processes import runs

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def start_family(tmp_path: Path) -> tuple[Process, int]:
    """A process and the id of its child."""
    log = tmp_path / "log"
    process = start("family", [sys.executable, "-c", PARENT], log=log, env=os.environ)
    wait_until(lambda: log.read_text().endswith("\n"))
    return process, int(log.read_text())


def test_stop_ends_children_too(tmp_path: Path) -> None:
    process, child = start_family(tmp_path)
    assert is_alive(process) and runs(child)
    stop([process])
    assert not is_alive(process) and not runs(child)


def test_stop_ends_children_of_a_dead_leader(tmp_path: Path) -> None:
    process, child = start_family(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    assert not is_alive(process) and runs(child)
    stop([process])
    assert not runs(child)


def test_a_later_process_of_the_same_id_is_left_alone(tmp_path: Path) -> None:
    process, child = start_family(tmp_path)
    stop([dataclasses.replace(process, started="Thu Jan  1 00:00:00 1970")])
    assert is_alive(process) and runs(child)
    stop([process])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_clock_that_is_adjusted_ends_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ps` computes start times from the clock: they may differ by a second between two calls."""
    ps = tmp_path / "ps"
    ps.write_text('#!/bin/sh\necho "S $(date +%N)"\n')
    ps.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    process, _ = start_family(tmp_path)
    assert is_alive(process)
    stop([process])


def test_saved_and_loaded(tmp_path: Path) -> None:
    processes = [Process("one", 2, "Thu Jan 1 00:00:00 1970")]
    save(processes, tmp_path / "processes.json")
    assert load(tmp_path / "processes.json") == processes
    assert load(tmp_path / "missing.json") == []
    assert [path.name for path in tmp_path.iterdir()] == ["processes.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[{"name": "one", "pid": 1',
        "{}",
        '[{"name": "one"}]',
        '[{"name": "one", "pid": "1", "started": ""}]',
        '[{"name": "one", "pid": 0, "started": ""}]',
    ],
)
def test_a_broken_file_is_named_with_a_way_out(text: str, tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text(text)
    with pytest.raises(UserError) as broken:
        load(path)
    assert str(broken.value).startswith(str(path)) and str(broken.value).endswith("then delete the file")
