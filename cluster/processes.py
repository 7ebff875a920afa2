"""Processes that outlive the command that starts them, each the leader of its own group."""

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

from pipeline.errors import UserError, make_printable, require
from pipeline.files import read_regular, write_whole
from pipeline.typed_json import from_dict, parse_json

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_STATE_BYTES = 1 << 20  # of a file of processes, at most


@dataclass(frozen=True)
class Process:
    """A process of the cluster. Its start time distinguishes it from a later one with the same id."""

    name: str
    pid: int
    started: str  # as `_started` has it


def start(name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Process:
    """Starts a process in its own session. Its output goes to `log`."""
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
    """Whether this process, and not a later one of the same id, is running."""
    return _started(process.pid) == process.started != ""


def stop(processes: Sequence[Process]) -> None:
    """Ends processes and all children in their groups: SIGTERM, then SIGKILL for those that remain."""
    # The id of a dead leader's group stays reserved while a member lives. An id with another start time belongs to
    # somebody else.
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
    """Writes the processes to a file."""
    write_whole(path, (json.dumps([asdict(p) for p in processes], indent=1) + "\n").encode())


def load(path: Path) -> list[Process]:
    """The processes in the file; none if there is no file. Raises `UserError` if the file is broken."""
    if not path.exists():
        return []
    try:
        values = parse_json(read_regular(path, limit=_STATE_BYTES), where=str(path))
        processes = from_dict(tuple[Process, ...], values, where=str(path))
        for process in processes:
            require(process.pid > 1, f"{path}: pid", "the id of a process of the cluster", process.pid)
    except UserError as error:
        way_out = "end by hand what still runs of the cluster, then delete the file"
        raise UserError(f"{make_printable(str(error))}; {way_out}") from None
    return list(processes)


def _started(pid: int) -> str:
    """When a process started, to tell it from a later one with the same id; "" if it is missing or a zombie.

    On Linux this is in clock ticks since boot. `ps` computes a date from it, and its seconds change from
    one call to the next as the clock is adjusted, so `ps` is asked only where there is no /proc.
    """
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        said = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        status, _, started = said.partition(" ")
        return "" if status.startswith("Z") else " ".join(started.split())
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the program's name, in brackets, may hold spaces; the state follows
    return "" if fields[0] in "ZX" else fields[19]


def _signal(group: int, number: int) -> bool:
    """Sends a signal to a group. Returns whether it has a living member."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)  # our own child, as a zombie, would count as alive
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
