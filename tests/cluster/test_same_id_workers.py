"""Which worker ends when runners stop workers of one id."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import worker_pool
from cluster.worker_pool import SameIdWorkers
from tests.commands import wait_until
from tests.processes import runs

# Ends by itself when its file is deleted, as a worker does when its runner closes the connection.
WORKER = "import os, sys, time\nwhile os.path.exists(sys.argv[1]): time.sleep(0.01)"
STUCK = (
    "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen(sys.argv[1], 'w')\ntime.sleep(600)"
)


@pytest.fixture
def workers() -> Iterator[SameIdWorkers]:
    workers = SameIdWorkers("1-1")
    yield workers
    workers.stop_all()


def start(workers: SameIdWorkers, connection: Path, program: str = WORKER) -> int:
    connection.touch()
    return workers.start([sys.executable, "-c", program, str(connection)])


def reaped(pid: int) -> bool:
    """Whether not even a zombie is left."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_only_worker_is_ended(workers: SameIdWorkers, tmp_path: Path) -> None:
    pid = start(workers, tmp_path / "a")
    workers.stop_one()
    assert not runs(pid)


@pytest.mark.parametrize("which", [0, 1])
def test_worker_that_its_runner_let_go_is_the_one_that_ends(workers: SameIdWorkers, tmp_path: Path, which: int) -> None:
    connections = [tmp_path / "a", tmp_path / "b"]
    pids = [start(workers, connection) for connection in connections]
    connections[which].unlink()
    workers.stop_one()
    assert [runs(pid) for pid in pids] == [which == 1, which == 0]
    workers.stop_one()  # the other's runner; the connection is still open, so it is ended
    assert not any(runs(pid) for pid in pids)


def test_worker_that_ended_before_it_was_stopped(workers: SameIdWorkers, tmp_path: Path) -> None:
    died, other = start(workers, tmp_path / "a"), start(workers, tmp_path / "b")
    os.kill(died, signal.SIGKILL)
    wait_until(lambda: reaped(died))
    workers.stop_one()  # by the runner of the one that died
    assert runs(other)


def test_busy_worker_is_not_mistaken_for_the_other(
    workers: SameIdWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "OWN_END", 0.1)
    pids = [start(workers, tmp_path / "a"), start(workers, tmp_path / "b")]
    workers.stop_one()  # either may be meant, and neither ends in time
    assert all(runs(pid) for pid in pids)
    (tmp_path / "a").unlink()  # at last it has finished what it did
    wait_until(lambda: not runs(pids[0]))
    assert runs(pids[1])
    workers.stop_one()
    assert not runs(pids[1])


def test_both_are_ended_once_both_are_stopped(workers: SameIdWorkers, tmp_path: Path) -> None:
    pids = [start(workers, tmp_path / "a"), start(workers, tmp_path / "b")]
    runners = [threading.Thread(target=workers.stop_one) for _ in pids]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert not any(runs(pid) for pid in pids)


def test_worker_that_ignores_sigterm_is_killed(
    workers: SameIdWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "GRACE", 0.5)
    ready = tmp_path / "ready"
    pid = workers.start([sys.executable, "-c", STUCK, str(ready)])
    wait_until(ready.exists)
    workers.stop_one()
    assert not runs(pid)


def test_stop_of_nobody_is_forgotten(workers: SameIdWorkers, tmp_path: Path) -> None:
    workers.stop_one()
    pid = start(workers, tmp_path / "a")
    time.sleep(0.2)
    assert runs(pid)


def test_all_end_together(workers: SameIdWorkers, tmp_path: Path) -> None:
    pids = [start(workers, tmp_path / "a"), start(workers, tmp_path / "b")]
    workers.stop_all()
    assert not any(runs(pid) for pid in pids)
