"""Runs checks in processes of their own, and notices when one of them dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pipeline.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], processes: int) -> Iterator[Result]:
    """Yields `function(task)` for every task, in the order in which they finish.

    Args:
        function: importable; it and the tasks are pickled.
        tasks: one argument per call.
        processes: at most this many run at a time.

    Raises `UserError` if a process dies.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, max(len(tasks), 1)), mp_context=spawn, initializer=_begin) as pool:
        try:
            for done in as_completed([pool.submit(function, task) for task in tasks]):
                yield done.result()
        except BaseException as error:
            for process in multiprocessing.active_children():  # nobody waits for their results any more
                process.kill()
            if isinstance(error, BrokenProcessPool):
                raise UserError(
                    "a verify process died, perhaps out of memory; run the same command again, "
                    "with --workers=1 if memory is short"
                ) from None
            raise


def _begin() -> None:
    """Leaves Ctrl-C to the command, and ends this process when the command dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
