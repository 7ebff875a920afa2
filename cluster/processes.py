"""Processes that outlive the command that started them, each the leader of a group of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE = 10.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Process:
    """A process of the cluster. Its start time tells it from a later one that got the same id."""

    name: str
    pid: int
    started: str


def start(name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Process:
    """Starts a process in a session of its own; what it prints goes to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            start_new_session=True,
        )
    return Process(name, child.pid, _started(child.pid))


def is_alive(process: Process) -> bool:
    """Whether the very process still runs."""
    return _started(process.pid) == process.started != ""


def stop(processes: Sequence[Process]) -> None:
    """Ends processes and all children in their groups: SIGTERM, then SIGKILL for those that stay."""
    # A dead leader's group keeps its id reserved for as long as a member lives; an id with another start time
    # is somebody else's.
    groups = [p.pid for p in processes if _started(p.pid) in ("", p.started)]
    for group in groups:
        _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while groups and time.monotonic() < deadline:
        groups = [group for group in groups if _signal(group, 0)]
        time.sleep(0.1)
    for group in groups:
        _signal(group, signal.SIGKILL)


def save(processes: Sequence[Process], path: Path) -> None:
    """Writes the processes down."""
    path.write_text(json.dumps([asdict(p) for p in processes], indent=1) + "\n")


def load(path: Path) -> list[Process]:
    """The processes that were written down; none if there is no file."""
    return [Process(**values) for values in json.loads(path.read_text())] if path.exists() else []


def _started(pid: int) -> str:
    """When a process started, as `ps` writes it; "" if there is none, or only its remains."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    status, _, started = said.partition(" ")
    return "" if status.startswith("Z") else " ".join(started.split())


def _signal(group: int, number: int) -> bool:
    """Sends a signal to a group; -> whether it has a living member."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)  # if it is our own child, its remains would count as alive
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
