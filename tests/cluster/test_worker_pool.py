"""The worker pool, with two runners whose workers have the same id."""

import queue
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from tests.commands import PATIENCE, ROOT, start_module
from tests.processes import children


class Runner(beam_fn_api_pb2_grpc.BeamFnControlServicer):
    """A runner's control endpoint, that has nothing to do for its worker."""

    def __init__(self) -> None:
        self.connected = threading.Event()
        self.left = threading.Event()  # the worker has closed its side
        self._requests: queue.Queue[None] = queue.Queue()
        self.server = grpc.server(ThreadPoolExecutor(4))
        self.url = f"localhost:{self.server.add_insecure_port('localhost:0')}"
        beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(self, self.server)
        self.server.start()

    def Control(self, answers: Iterator[Any], context: Any) -> Iterator[Any]:
        """Holds the connection until it is let go."""
        context.add_callback(self.left.set)
        self.connected.set()
        self._requests.get()
        yield from ()

    def let_go(self) -> None:
        """Closes the connection, as a runner does before it stops its worker."""
        self._requests.put(None)


@pytest.fixture
def pool() -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The pool as it is run, and a client of it."""
    process = start_module("cluster.worker_pool", "--service_port=0", env={"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    found = re.fullmatch(r"worker pool on port (\d+)\n", process.stdout.readline())
    assert found is not None
    channel = grpc.insecure_channel(f"localhost:{found.group(1)}")
    yield process, beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
    channel.close()
    process.kill()
    process.communicate()


def start(client: Any, runner: Runner) -> None:
    endpoint = {"url": runner.url}
    request = beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1", control_endpoint=endpoint)
    assert client.StartWorker(request, timeout=PATIENCE).error == ""
    assert runner.connected.wait(PATIENCE)


def stop(client: Any) -> None:
    client.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), timeout=PATIENCE)


def test_runner_stops_its_own_worker(pool: tuple[subprocess.Popen[str], Any]) -> None:
    process, client = pool
    first, second = Runner(), Runner()
    for runner in (first, second):
        start(client, runner)
    assert len(children(process.pid)) == 2

    second.let_go()
    stop(client)
    assert second.left.wait(PATIENCE)
    assert len(children(process.pid)) == 1
    assert not first.left.is_set()

    stop(client)  # its connection is open: it is the only one that can be meant
    assert children(process.pid) == []
    for runner in (first, second):
        runner.let_go()
        runner.server.stop(grace=None)


def test_workers_end_with_the_pool(pool: tuple[subprocess.Popen[str], Any]) -> None:
    process, client = pool
    runners = [Runner(), Runner()]
    for runner in runners:
        start(client, runner)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    for runner in runners:
        assert runner.left.wait(PATIENCE)
        runner.let_go()
        runner.server.stop(grace=None)
