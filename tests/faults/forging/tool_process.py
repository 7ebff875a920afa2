"""Runs a tool server, and watches its time and its memory."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 300.0  # seconds; only what hangs takes that long, even on a busy machine
LIMIT = 2 << 30  # bytes of memory that a process may use
UNFORESEEN = "the command failed unexpectedly"
FRESH = 500  # cases after which a process is replaced, so that what TensorFlow keeps of each does not add up


@dataclass(frozen=True)
class Outcome:
    """What a tool did with a record set."""

    tool: str
    status: int  # exit status; -1 for an error that nobody caught
    printed: str
    peak_bytes: int
    problem: str = ""  # "hangs", "too much memory" or "died"

    @property
    def error_line(self) -> str:
        """The line with which the command refused the set, if it did."""
        lines = [line for line in self.printed.splitlines() if line.startswith("error: ")]
        return lines[-1] if lines else ""

    def fault(self) -> str:
        """What must never happen, whatever the set holds; empty if it did not."""
        if self.problem:
            return self.problem
        if self.status == -1 or "Traceback (most recent call last)" in self.printed:
            return "traceback: " + (self.printed.strip().splitlines() or ["?"])[-1][:200]
        if UNFORESEEN in self.printed:
            return self.printed[self.printed.index(UNFORESEEN) :].splitlines()[0][:300]
        if self.status not in (0, 1):
            return f"exit status {self.status}"
        if self.status == 1 and not self.error_line:
            return f"no line that says why: {self.printed[-200:]!r}"
        if self.status == 1 and len(self.error_line) > 1500:
            return f"a line of {len(self.error_line)} characters: {self.error_line[:100]!r}"
        if any(ord(c) < 32 or ord(c) == 127 for c in self.error_line):
            return f"control characters: {self.error_line!r:.200}"
        return ""


class ToolProcess:
    """One tool, in a process that is started when it is needed."""

    def __init__(self, tool: str, folder: Path) -> None:
        self.tool, self.folder = tool, folder
        self._process: subprocess.Popen[str] | None = None
        self._cases = 0

    def run(self, records: Path) -> Outcome:
        """Runs the tool on a record set."""
        if self._process is not None and self._cases >= FRESH:
            self.stop()
        if self._process is None:
            self._start()
        self._cases += 1
        process = self._process
        assert process is not None and process.stdin is not None
        with contextlib.suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # forgets the peak
        print(json.dumps(str(records)), file=process.stdin, flush=True)
        return self._answer()

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _start(self) -> None:
        self._cases = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forging.tool_server", self.tool, str(self.folder)],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self._answer()
        assert ready.printed == "ready", ready

    def _answer(self) -> Outcome:
        """Waits for a line, and looks at the memory meanwhile, so that a process is stopped before it takes all."""
        process = self._process
        assert process is not None and process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        peak = 0
        while not select.select([process.stdout], [], [], 0.02)[0]:
            peak = max(peak, _memory(process.pid, "VmHWM"))
            if peak > LIMIT or time.monotonic() > deadline:
                self.stop()
                return Outcome(self.tool, -1, "", peak, f"{peak / 1e9:.1f} GB" if peak > LIMIT else "hangs")
        line = process.stdout.readline()
        peak = max(peak, _memory(process.pid, "VmHWM"))
        if not line:
            self.stop()
            return Outcome(self.tool, -1, "", peak, f"died with status {process.returncode}")
        answer = json.loads(line)
        problem = f"{peak / 1e9:.1f} GB" if peak > LIMIT else ""
        return Outcome(self.tool, int(answer["status"]), answer["printed"], peak, problem)


def _memory(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
