"""Ctrl-C ends a job whose workers have only begun. Beam's own runner may wait for them for ever."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from apache_beam.runners.portability import local_job_service


class Workers:
    """The worker processes that Beam starts, until they are ended: then there is none, and none begins any more."""

    def __init__(self) -> None:
        # Held for moments only, and taken again by the handler of a signal that comes in one of them.
        self._lock = threading.RLock()
        self._started: list[subprocess.Popen[Any]] = []
        self.ended = False

    def start(self, *arguments: Any, **named: Any) -> subprocess.Popen[Any]:
        """As `subprocess.Popen`."""
        with self._lock:
            if self.ended:
                raise InterruptedError("the job was interrupted")
            worker = subprocess.Popen(*arguments, **named)
            self._started.append(worker)
            return worker

    def end(self) -> None:
        """Kills those that live. Shards are whole or not there, so they lose nothing that counts."""
        with self._lock:
            self.ended = True
            for worker in self._started:
                worker.kill()


@contextlib.contextmanager
def workers_end_when_interrupted() -> Iterator[Workers]:
    """As long as this lasts, Ctrl-C ends the workers first. Where a shell has it ignored, it stays so."""
    workers = Workers()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(_number: int, _frame: Any) -> None:
        workers.end()
        raise KeyboardInterrupt

    module: Any = local_job_service
    module.subprocess = SimpleNamespace(Popen=workers.start)  # all that it has of `subprocess`
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield workers
    finally:
        signal.signal(signal.SIGINT, before)
        module.subprocess = subprocess
