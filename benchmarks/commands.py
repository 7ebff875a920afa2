"""Runs the project's commands, each in its own process, either with visible output or measured."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from benchmarks.process_memory import tree_bytes
from pipeline.errors import UserError

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Measured:
    """What a command printed and what it took."""

    output: str  # standard output
    seconds: float
    peak_bytes: int  # of the process and its descendants, shared pages counted once; 0 if nobody asked


def run_python(*arguments: str) -> None:
    """Runs `python *arguments` and shows its output. If it fails, ends this process with the same status."""
    status = subprocess.run([sys.executable, *arguments], check=False).returncode
    if status:
        sys.exit(status)


def measure_python(*arguments: str, memory: bool = False) -> Measured:
    """Runs `python *arguments` without showing its output. With `memory`, samples its memory five times a second.

    Raises `UserError` with its last lines if it fails.
    """
    peak = 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=errors)
        try:
            while process.poll() is None:
                peak = max(peak, tree_bytes(process.pid)) if memory else 0
                try:
                    process.wait(POLL_SECONDS if memory else None)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.terminate()
        seconds = time.perf_counter() - started
        for file in (output, errors):
            file.seek(0)
        printed = output.read()
        if process.returncode != 0:
            last = " | ".join((printed + errors.read()).splitlines()[-5:])
            raise UserError(f"`python {' '.join(arguments)}` failed with status {process.returncode}: {last}")
    return Measured(printed, seconds, peak)
