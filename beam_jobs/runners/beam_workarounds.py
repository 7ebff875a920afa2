"""Everything that we change in Apache Beam at run time; written for 2.77.0, which setup.py pins.

Each part says which of Beam's lines it is about and when it can go. Two more stand where they must: the filter in
beam_jobs/__init__.py, which is set before Beam is imported, and cluster/worker_pool.py, which takes the place of Beam's
pool. Nothing here imports Beam before it is called, because a worker hides what that prints.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, SimpleNamespace
from typing import Any

from pipeline.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# --- The folder of a pipeline -----------------------------------------------------------------------------------------
# `Pipeline.__init__` makes a temporary folder, and only `Pipeline.run` removes it (apache_beam/pipeline.py: 240, 632).
# What a job does before, such as listing its entries, may fail or be interrupted. These can go once a pipeline makes
# the folder when it runs.


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


@contextlib.contextmanager
def without_its_folder(make_pipeline: Callable[[], Any]) -> Iterator[Any]:
    """Yields the pipeline that a function makes, and removes its folder however the work with it ends."""
    held = HeldSignals()  # until it is known which folder to delete
    try:
        pipeline = make_pipeline()
    except BaseException:
        held.let_go()
        raise
    try:
        held.let_go()
        yield pipeline
    finally:
        shutil.rmtree(pipeline.local_tempdir, ignore_errors=True)


# --- Jobs whose local workers end too early ---------------------------------------------------------------------------
# The local runner waits for ever for a worker that ended, be it by Ctrl-C or for want of memory: the thread that waits
# for the process raises, and nobody notices (apache_beam/runners/portability/local_job_service.py: 220 to 225;
# https://github.com/apache/beam/issues/19674). These can go once that fails the job.


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
def end_workers_when_interrupted() -> Iterator[Workers]:
    """Ends the workers before Ctrl-C or SIGTERM ends the job. A signal that the shell has ignored stays ignored."""
    from apache_beam.runners.portability import local_job_service

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


class _WorkerDied(Exception):
    """Raised in the main thread, which would wait for ever for a dead worker's answer."""


@contextlib.contextmanager
def end_job_with_dead_workers(workers: Workers) -> Iterator[None]:
    """Raises `UserError` when a worker process dies."""
    deaths: list[str] = []
    default = threading.excepthook

    def quietly(arguments: threading.ExceptHookArgs) -> None:
        if workers.ended:  # by Ctrl-C, which the main thread reports
            return
        if not arguments.exc_type.__module__.startswith("grpc"):  # a broken connection: the job's exception reports it
            default(arguments)

    def on_thread_end(arguments: threading.ExceptHookArgs) -> None:
        if workers.ended or "Worker subprocess exited" not in str(arguments.exc_value):
            quietly(arguments)
        elif not deaths:
            deaths.append(str(arguments.exc_value))
            # Not SIGINT, which a job that a shell started in the background ignores.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def in_main_thread(_number: int, _frame: Any) -> None:
        raise _WorkerDied

    threading.excepthook = on_thread_end
    before = signal.signal(signal.SIGUSR1, in_main_thread)
    try:
        yield
    except _WorkerDied:
        if any(deaths[0].endswith(f"code {-number}") for number in SIGNALS):  # it reached the starting worker first
            raise KeyboardInterrupt from None
        raise UserError(
            f"a worker process died, perhaps out of memory ({deaths[0]}); "
            "run the same command again: finished shards are kept"
        ) from None
    finally:
        threading.excepthook = quietly  # some threads end only after the job, and must not send SIGUSR1 then
        signal.signal(signal.SIGUSR1, before)


def call_when_worker_dies(act: Callable[[], None]) -> None:
    """Calls `act`, in another thread, if a worker of a job in this process dies from now on.

    For a process that runs jobs of others, as Beam's portable job service does: its workers may be killed, run out of
    memory or fail to start. `act` is called once, however many workers die. It must not return to the job.
    """
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import BeamFnControlServicer

    serve = BeamFnControlServicer.Control
    unnoticed = threading.Lock()  # the first to notice takes it and never releases it

    def notice() -> None:
        if unnoticed.acquire(blocking=False):
            act()

    def control(servicer: BeamFnControlServicer, answers: Iterator[Any], context: Any) -> Iterator[Any]:
        dismissed = threading.Event()

        def connection_ended() -> None:
            if not dismissed.is_set():
                notice()

        context.add_callback(connection_ended)
        yield from serve(servicer, answers, context)
        dismissed.set()  # the runner has no more work for it

    def thread_failed(failure: threading.ExceptHookArgs) -> None:
        threading.__excepthook__(failure)
        if failure.thread is not None and failure.thread.name == "run_worker":  # Beam's, which starts a worker
            notice()

    BeamFnControlServicer.Control = control  # type: ignore[method-assign, assignment]
    threading.excepthook = thread_failed


# --- Inside a worker of the local runner ------------------------------------------------------------------------------


def end_without(job: int) -> None:
    """Ends this process soon after the end of the process that started it, however that ended.

    On its own, Beam's worker would look for the vanished job for two minutes, and only SIGKILL would end it. Can go
    once it ends with its connection.
    """

    def watch() -> None:
        while os.getppid() == job:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_quiet_worker() -> None:
    """Runs Beam's worker without its log on standard error, where every error of a worker would stand twice.

    Exceptions reach the job as text and are printed there. All that is lost is what C libraries print when a job is
    abandoned. Can go once the worker's own handler (apache_beam/runners/worker/sdk_worker_main.py: 84 to 100) is all
    that prints.
    """
    quiet = logging.StreamHandler()
    quiet.setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(quiet)  # before Beam adds a handler that prints everything

    from apache_beam.runners.worker import data_plane, sdk_worker_main

    class ShortBuffer(data_plane.SizeBasedBufferingClosableOutputStream):
        """Sends data in messages of 1 MiB instead of 10 MiB, because each is copied several times on its way.

        The size is a constant (apache_beam/runners/worker/data_plane.py: 66). Can go once it is an option.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{"size_flush_threshold": 1 << 20, **kwargs})

    data_plane.SizeBasedBufferingClosableOutputStream = ShortBuffer  # type: ignore[misc]
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sdk_worker_main.main(sys.argv)
