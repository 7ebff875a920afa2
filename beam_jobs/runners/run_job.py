"""Runs a pipeline to its end, and turns Beam's reports of failures into one line."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

from apache_beam.pipeline import Pipeline

from beam_jobs.job.metrics import JobMetrics, job_metrics
from beam_jobs.runners.interrupted_workers import SIGNALS, Workers, workers_end_when_interrupted
from pipeline.errors import UserError

_STEP = " [while running '"  # with which Beam adds the step's name to a message
_TRACEBACK = "Traceback (most recent call last):"


def run(pipeline: Pipeline) -> JobMetrics:
    """Runs a pipeline to its end.

    Returns the job's metrics. A `UserError` in a worker is raised again here; other failures keep their traceback.
    """
    try:
        with workers_end_when_interrupted() as workers, dead_workers_end_the_job(workers):
            result = pipeline.run()
            result.wait_until_finish()
            return job_metrics(result)
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):  # pressed while Beam ran our code in this process
            raise KeyboardInterrupt from None
        if isinstance(error, UserError):
            raise UserError(str(error).partition(_STEP)[0]) from None
        if message := told_user_error(str(error)):
            raise UserError(message) from None
        raise


def told_user_error(text: str) -> str:
    """The message of a `UserError` in another process, of which Beam has only the traceback's text; "" if it is none.

    The text may hold the traceback as `repr` writes it, with escapes; the traceback's first line shows whether it does.
    """
    before, _, message = text.partition("UserError: ")
    if before.rfind(rf"{_TRACEBACK}\n") > before.rfind(f"{_TRACEBACK}\n"):
        message = re.sub(r"""\\([\\'"n])""", lambda escape: escape[1].replace("n", "\n"), message)
    return message.partition("\n")[0].partition(_STEP)[0]


class _WorkerDied(Exception):
    """Raised in the main thread, which would wait for ever for a dead worker's answer."""


@contextlib.contextmanager
def dead_workers_end_the_job(workers: Workers) -> Iterator[None]:
    """Raises `UserError` when a worker process dies. Beam's local runner would wait for it for ever."""
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
