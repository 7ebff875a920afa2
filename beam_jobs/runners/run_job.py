"""Runs a pipeline to its end, and turns what Beam makes of its failures into one line."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

from apache_beam.metrics.metric import MetricsFilter
from apache_beam.pipeline import Pipeline

from beam_jobs.job.write_shard import METRICS
from beam_jobs.runners.interrupted_workers import Workers, workers_end_when_interrupted
from pipeline.errors import UserError


def run(pipeline: Pipeline) -> Any:
    """Runs a pipeline to its end. A `UserError` in a worker becomes one here; other failures keep their traceback."""
    try:
        with workers_end_when_interrupted() as workers, dead_workers_end_the_job(workers):
            result = pipeline.run()
            result.wait_until_finish()
            return result
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):  # pressed while Beam ran our code in this process
            raise KeyboardInterrupt from None
        # Workers are other processes: all that comes back of their exception is its text.
        if found := re.search(r"UserError: (.+?)(?: \[while running|\\n|\n|$)", str(error)):
            raise UserError(found.group(1)) from None
        raise


class _WorkerDied(Exception):
    """Raised in the main thread, which waits for ever for the answer of a worker that is no more."""


@contextlib.contextmanager
def dead_workers_end_the_job(workers: Workers) -> Iterator[None]:
    """Beam's local runner waits for ever for a worker process that died (killed, out of memory); this ends the wait."""
    deaths: list[str] = []
    default = threading.excepthook

    def quietly(arguments: threading.ExceptHookArgs) -> None:
        if workers.ended:  # by Ctrl-C, which the main thread knows of
            return
        if not arguments.exc_type.__module__.startswith("grpc"):  # a broken connection: the job's exception tells it
            default(arguments)

    def on_thread_end(arguments: threading.ExceptHookArgs) -> None:
        if workers.ended or "Worker subprocess exited" not in str(arguments.exc_value):
            quietly(arguments)
        elif not deaths:
            deaths.append(str(arguments.exc_value))
            # Not SIGINT: a job that a shell started in the background ignores that.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def in_main_thread(_number: int, _frame: Any) -> None:
        raise _WorkerDied

    threading.excepthook = on_thread_end
    before = signal.signal(signal.SIGUSR1, in_main_thread)
    try:
        yield
    except _WorkerDied:
        if deaths[0].endswith(f"code {-signal.SIGINT}"):  # Ctrl-C reached the worker first, in its first moment
            raise KeyboardInterrupt from None
        raise UserError(f"every worker must live to the end, got one that died ({deaths[0]}); was memory short? "
                        "Run the same command again: finished shards are kept") from None  # fmt: skip
    finally:
        signal.signal(signal.SIGUSR1, before)
        threading.excepthook = quietly  # threads end after the job


def counter(result: Any, name: str) -> int:
    """The value of one of the job's counters; 0 if the runner reports none."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS).with_name(name))["counters"]
    return sum(int(c.result) for c in found)
