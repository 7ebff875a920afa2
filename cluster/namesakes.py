"""Worker processes that have the same id, because their runners do not know of each other."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

OWN_END = 5.0  # seconds that a worker may take to end by itself once its runner has closed the connection
GRACE = 10.0  # seconds between SIGTERM and SIGKILL


class Namesakes:
    """The workers of one id.

    A runner that stops "its" worker names only the id. It has just closed that worker's control connection, so the
    worker ends by itself, unless it is busy or stuck. Workers are ended by force only when it is clear which are meant:
    when as many stops were requested as there are workers. Until then, one worker too many does less harm than a job
    that loses a worker and fails.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._running: list[subprocess.Popen[bytes]] = []
        self._to_end = 0  # workers that were stopped and have not ended yet
        self._ended = 0  # workers that ended before they were stopped

    def start(self, command: Sequence[str]) -> int:
        """Starts a worker and returns its process id. Raises `OSError` if that fails."""
        with self._changed:
            worker = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            self._running.append(worker)
        print(f"worker {self._name} is process {worker.pid}", flush=True)
        threading.Thread(target=self._await_end, args=(worker,), daemon=True).start()
        return worker.pid

    def stop_one(self) -> None:
        """Ends one worker. Returns when it has ended, or when it is not clear which of several is meant."""
        with self._changed:
            if self._ended or not self._running:
                self._ended = max(0, self._ended - 1)  # it has ended already
                return
            self._to_end += 1
            self._changed.wait_for(lambda: self._to_end in (0, len(self._running)), OWN_END)
            if self._to_end == len(self._running):
                self._end_all()

    def stop_all(self) -> None:
        """Ends every worker."""
        with self._changed:
            self._to_end = len(self._running)
            self._end_all()

    def _end_all(self) -> None:
        workers = list(self._running)
        for stop in (subprocess.Popen.terminate, subprocess.Popen.kill):
            for worker in workers:
                stop(worker)
            if self._changed.wait_for(lambda: not set(workers) & set(self._running), GRACE):
                break

    def _await_end(self, worker: subprocess.Popen[bytes]) -> None:
        status = worker.wait()
        print(f"worker {self._name}, process {worker.pid}, ended with status {status}", flush=True)
        with self._changed:
            self._running.remove(worker)
            if self._to_end:
                self._to_end -= 1
            else:
                self._ended += 1
            self._changed.notify_all()
