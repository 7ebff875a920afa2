"""Starts and stops a cluster here: Flink's JobManager and TaskManagers, or Beam's job service, and a worker pool."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster.flink import find_java, start_flink, task_managers, write_configuration
from cluster.jars import FLINK_JARS, fetch
from cluster.processes import Process, is_alive, load, save, start, stop
from pipeline.errors import UserError, make_printable

FLINK = "flink"  # JobManager and TaskManagers
PORTABLE = "portable"  # Beam's own job service in Python: no Java
ENGINES = (FLINK, PORTABLE)
PATIENCE = 120.0  # seconds that a process may take to answer
LOG_LINES = 20  # of a process that ended, shown with the error
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ClusterSettings:
    """One cluster on this machine: an engine, and a Beam worker pool that starts Python workers for it.

    A TaskManager has enough slots for a whole job of parallelism `slots_each`, so that it can run the job alone when
    the other dies.
    """

    folder: Path = Path(".cluster")  # process ids, configuration and logs
    engine: str = FLINK
    rest_port: int = 8081  # of Flink's JobManager
    rpc_port: int = 6123
    job_port: int = 8099  # of Beam's job service
    pool_port: int = 50000
    task_managers: int = 2
    slots_each: int = 4

    @property
    def state(self) -> Path:
        """The file that names the processes of the cluster."""
        return self.folder / "processes.json"

    @property
    def logs(self) -> Path:
        """The folder of the logs, one per process."""
        return self.folder / "logs"

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that the cluster listens on, the worker pool's last."""
        engine = (self.rest_port, self.rpc_port) if self.engine == FLINK else (self.job_port,)
        return (*engine, self.pool_port)


def up(settings: ClusterSettings) -> None:
    """Starts everything and waits until it answers.

    Raises `UserError` if the cluster is up already, or, after stopping the rest, if a part cannot be started.
    """
    java = find_java() if settings.engine == FLINK else ""
    if alive := [p for p in load(settings.state) if is_alive(p)]:
        names = ", ".join(p.name for p in alive)
        raise UserError(f"the cluster is up already, {names} running: `make cluster-down` stops it")
    for port in settings.ports:
        if _answers(port):
            raise UserError(f"another program listens on port {port}: stop it, or choose another port")
    for name in ("conf", "logs", "tmp"):
        shutil.rmtree(settings.folder / name, ignore_errors=True)
        (settings.folder / name).mkdir(parents=True)
    (settings.folder / ".gitignore").write_text("*\n")
    starter = _Starter(settings)
    try:
        if settings.engine == FLINK:
            _start_flink(starter, java)
        else:
            _start_portable(starter)
    except BaseException:
        stop(starter.started)
        settings.state.unlink(missing_ok=True)
        raise
    print(make_printable(f"logs in {settings.logs}; make cluster-down stops it"))


def down(settings: ClusterSettings) -> None:
    """Stops the cluster's processes, children included. Its logs stay. It is not an error if nothing is running."""
    processes = load(settings.state)
    stop(processes)
    settings.state.unlink(missing_ok=True)
    print(make_printable(f"cluster is down; logs in {settings.logs}") if processes else "the cluster was not up")


def start_worker_pool(settings: ClusterSettings) -> Process:
    """Starts the worker pool, which starts Python workers for the engine."""
    return _start_python(settings, "worker-pool", "cluster.worker_pool", f"--service_port={settings.pool_port}")


def start_job_service(settings: ClusterSettings) -> Process:
    """Starts Beam's job service."""
    return _start_python(settings, "job-service", "cluster.job_service", f"--port={settings.job_port}")


def _start_python(settings: ClusterSettings, name: str, module: str, flag: str) -> Process:
    # So that workers can import the project even if it is not installed.
    python_path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, flag]
    return start(name, command, log=settings.logs / f"{name}.log", env={**os.environ, "PYTHONPATH": python_path})


class _Starter:
    """The processes that have been started so far. The file of the cluster always names them."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.started: list[Process] = []

    def add(self, process: Process) -> None:
        """Remembers a process, so that it will be stopped whatever happens."""
        self.started.append(process)
        save(self.started, self.settings.state)

    def wait(self, what: str, there: Callable[[], bool]) -> None:
        """Waits until `there` is true. Raises `UserError` if a process ends first, or if it takes too long.

        The end of the log of a process that ended is printed on standard error.
        """
        deadline = time.monotonic() + PATIENCE
        while not there():
            if dead := next((p for p in self.started if not is_alive(p)), None):
                log = self.settings.logs / f"{dead.name}.log"
                for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
                    print(f"  {make_printable(line.expandtabs())}", file=sys.stderr)
                raise UserError(
                    f"{dead.name} ended while the cluster was starting; above are the last lines of its log, {log}"
                )
            if time.monotonic() > deadline:
                raise UserError(f"{what} did not answer in {PATIENCE:.0f} s: see {self.settings.logs}")
            time.sleep(0.3)


def _start_flink(starter: _Starter, java: str) -> None:
    settings, folder = starter.settings, starter.settings.folder
    classpath = os.pathsep.join(str(jar) for jar in fetch(FLINK_JARS))
    write_configuration(folder, rpc_port=settings.rpc_port, rest_port=settings.rest_port, slots=settings.slots_each)
    starter.add(start_worker_pool(settings))
    starter.add(start_flink("jobmanager", java, classpath, folder))
    # A TaskManager that finds no JobManager waits ten seconds before it tries again.
    starter.wait("the JobManager", lambda: task_managers(settings.rest_port) is not None)
    for number in range(1, settings.task_managers + 1):
        starter.add(start_flink(f"taskmanager-{number}", java, classpath, folder))
    starter.wait("TaskManagers", lambda: task_managers(settings.rest_port) == settings.task_managers)
    starter.wait("the worker pool", lambda: _answers(settings.pool_port))
    print(f"cluster is up: {settings.task_managers} TaskManagers of {settings.slots_each} slots")
    print(f"Flink http://localhost:{settings.rest_port}, worker pool localhost:{settings.pool_port}")
    print(f"next: make records RUNNER=flink FLINK_MASTER=localhost:{settings.rest_port}")


def _start_portable(starter: _Starter) -> None:
    settings = starter.settings
    starter.add(start_worker_pool(settings))
    starter.add(start_job_service(settings))
    starter.wait("the worker pool", lambda: _answers(settings.pool_port))
    starter.wait("the job service", lambda: _answers(settings.job_port))
    print(f"cluster is up: job service localhost:{settings.job_port}, worker pool :{settings.pool_port}")


def _answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True
