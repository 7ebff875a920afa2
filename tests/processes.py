"""What tests ask the machine about its processes and ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess


def children(pid: int) -> list[int]:
    """The ids of a process's children, without zombies."""
    printed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in printed.splitlines()]
    return [int(child) for child, parent, stat in rows if int(parent) == pid and not stat.startswith("Z")]


def runs(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    stat = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(stat) and not stat.startswith("Z")


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL for a process and its group, if they still run."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return int(s.getsockname()[1])


def quiet_ports(count: int) -> list[int]:
    """So many different ports that nothing listens on, and that the kernel gives to no outgoing connection either.

    For servers that start seconds later: a port of `free_port` may be somebody else's by then.
    """
    found: list[int] = []
    port = 10_000 + os.getpid() % 15_000
    while len(found) < count:
        port += 1
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("localhost", port))
            found.append(port)
    return found


def answers(port: int) -> bool:
    """Whether something listens on a port."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True
