"""Lets Ctrl-C and SIGTERM end a job whose workers are still starting. Beam's own runner may wait for them for ever."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from types import FrameType, SimpleNamespace
from typing import Any

from apache_beam.runners.portability import local_job_service

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A handler that ends a command as Ctrl-C does."""
    raise KeyboardInterrupt


def let_sigterm_interrupt() -> None:
    """Lets SIGTERM end a command as Ctrl-C does, so that nothing unfinished stays. Keeps a handler that is set."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interrupt)


class HeldSignals:
    """Holds back signals from now until `let_go`, which passes them on.

    Blocking them is not enough: another thread may still receive one, and Python then runs the handler in the main
    thread.
    """

    def __init__(self) -> None:
        self._came: list[tuple[int, FrameType | None]] = []
        here = threading.current_thread() is threading.main_thread()  # only there can handlers be set
        self._handlers = {s: signal.signal(s, self._remember) for s in SIGNALS} if here else {}

    def let_go(self) -> None:
        """Restores the previous handlers, and calls them for the signals that arrived."""
        for name, handler in self._handlers.items():
            signal.signal(name, handler)
        for number, frame in self._came:
            handler = self._handlers[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            elif handler is signal.SIG_DFL:
                signal.raise_signal(number)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._came.append((number, frame))


class Workers:
    """The worker processes that Beam starts. Once they are ended, no more are started."""

    def __init__(self) -> None:
        # Held only briefly. Reentrant, because a signal handler may interrupt the thread that holds it.
        self._lock = threading.RLock()
        self._started: list[subprocess.Popen[Any]] = []
        self.ended = False

    def start(self, *arguments: Any, **named: Any) -> subprocess.Popen[Any]:
        """Like `subprocess.Popen`."""
        with self._lock:
            if self.ended:
                raise InterruptedError("the job was interrupted")
            worker = subprocess.Popen(*arguments, **named)
            self._started.append(worker)
            return worker

    def end(self) -> None:
        """Kills the workers. Shards are there whole or not at all, so nothing is lost."""
        with self._lock:
            self.ended = True
            for worker in self._started:
                worker.kill()


@contextlib.contextmanager
def workers_end_when_interrupted() -> Iterator[Workers]:
    """Ends the workers before Ctrl-C or SIGTERM ends the job. A signal that the shell has ignored stays ignored."""
    workers = Workers()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def end_and_interrupt(_number: int, _frame: FrameType | None) -> None:
        workers.end()
        raise KeyboardInterrupt

    module: Any = local_job_service
    module.subprocess = SimpleNamespace(Popen=workers.start)  # the only name that it uses of `subprocess`
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, end_and_interrupt)
    try:
        yield workers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        module.subprocess = subprocess
