"""Notices when a worker process dies. Beam's own Python runner would wait for ever for its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from apache_beam.runners.portability.fn_api_runner.worker_handlers import BeamFnControlServicer

STARTER = "run_worker"  # Beam's name for the thread that starts a worker; it raises if the process fails


def when_worker_dies(act: Callable[[], None]) -> None:
    """Calls `act`, in another thread, if a worker of a job in this process dies from now on.

    This is for Beam's portable job service, whose workers may be killed, run out of memory or fail to start. `act` is
    called once, however many workers die. It must not return to the job, which would wait for ever.
    """
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
        if failure.thread is not None and failure.thread.name == STARTER:
            notice()

    BeamFnControlServicer.Control = control  # type: ignore[method-assign, assignment]
    threading.excepthook = thread_failed
