"""A command from start to end: its seconds, and the peak memory of it and all its children."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Finished:
    """What a command took."""

    seconds: float
    peak_bytes: int  # memory in use by the process tree, shared pages once; 0 where the system does not tell


def run_whole_process(command: Sequence[str], *, cwd: Path) -> Finished:
    """Runs a command to its end. Raises `UserError` with its last lines where it fails."""
    peak = 0
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                peak = max(peak, _tree_bytes(process.pid))
                try:
                    process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.terminate()
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            output.seek(0)
            last = " | ".join(output.read().splitlines()[-5:])
            raise UserError(f"{' '.join(command)} must end with status 0, got {process.returncode}: {last}")
    return Finished(seconds, peak)


def _tree_bytes(pid: int) -> int:
    return sum(_proportional_bytes(p) for p in _tree(pid))


def _tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # it ended meanwhile
    return found


def _proportional_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it ended meanwhile, or there is no /proc
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
