"""A Beam worker pool for several runners on one host: `python -m cluster.worker_pool --service_port=N`.

Two TaskManagers both call their first worker "1-1". Beam's own pool knows workers by that name alone: when one
TaskManager stops its worker, the pool may end the other's in the middle of its work (Beam 2.77,
apache_beam/runners/worker/worker_pool_main.py: 164 and 188). Can go once Beam's pool tells them apart.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

# The settings of Beam's own pool: no state cache, and data is sent at once. S3 wants options, if only empty ones.
_WORKER = (
    "import sys; from apache_beam.io.filesystems import FileSystems; "
    "from apache_beam.options.pipeline_options import PipelineOptions; FileSystems.set_options(PipelineOptions([])); "
    "from apache_beam.runners.worker.sdk_worker import SdkHarness; "
    "SdkHarness(sys.argv[1], worker_id=sys.argv[2], state_cache_size=0, data_buffer_time_limit_ms=-1).run()"
)
OWN_END = 5.0  # seconds that a worker may take to end by itself once its runner has closed the connection
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
_CALLS = 64  # at a time; a call that stops a worker waits until it has ended


class SameIdWorkers:
    """The worker processes of one id, whose runners do not know of each other.

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


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts a process for every worker, and ends it when its runner asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: dict[str, SameIdWorkers] = {}

    def StartWorker(
        self, request: beam_fn_api_pb2.StartWorkerRequest, _context: Any
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Starts a worker that connects to the request's control endpoint."""
        command = [sys.executable, "-c", _WORKER, request.control_endpoint.url, request.worker_id]
        try:
            self._of(request.worker_id).start(command)
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"a worker could not be started: {error}")
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(
        self, request: beam_fn_api_pb2.StopWorkerRequest, _context: Any
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Ends a worker whose runner has no more work for it."""
        self._of(request.worker_id).stop_one()
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            workers = list(self._workers.values())
        for same_id in workers:
            same_id.stop_all()

    def _of(self, worker_id: str) -> SameIdWorkers:
        with self._lock:
            return self._workers.setdefault(worker_id, SameIdWorkers(worker_id))


def serve(pool: WorkerPool, port: int) -> tuple[grpc.Server, int]:
    """Makes a pool listen on a port of localhost (0: any free one). Returns the server and the port."""
    # Runners keep their connections alive with pings.
    options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    server = grpc.server(ThreadPoolExecutor(_CALLS), options=options)
    # Only on this host: whoever can start a worker can make it run any code.
    port = server.add_insecure_port(f"localhost:{port}")
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    return server, port


def main() -> None:
    """Runs a pool until SIGTERM or Ctrl-C. Its workers end with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service_port", type=int, required=True, help="where runners ask for workers")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    pool = WorkerPool()
    server, port = serve(pool, options.service_port)
    print(f"worker pool on port {port}", flush=True)
    ended.wait()
    server.stop(grace=None)
    pool.close()


if __name__ == "__main__":
    main()
