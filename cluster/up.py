"""Starts a cluster: Flink's JobManager and TaskManagers (or Beam's job service), and a Beam worker pool."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster.beam_processes import start_job_service, start_worker_pool
from cluster.errors import run_with_log_lines
from cluster.fetch_jars import fetch
from cluster.flink_conf import LOGGING, flink_conf
from cluster.flink_overview import task_managers
from cluster.flink_processes import start_job_manager, start_task_manager
from cluster.jars import FLINK_JARS
from cluster.java import find_java
from cluster.processes import Process, is_alive, load, save, stop
from cluster.settings import FLINK, ClusterSettings, parse_settings
from pipeline.errors import UserError, printable

PATIENCE = 120.0  # seconds that a process may take to answer
LOG_LINES = 20  # of a process that ended, shown with the error


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


@dataclass
class _Starter:
    settings: ClusterSettings
    started: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("conf", "logs", "tmp"):
            shutil.rmtree(self.settings.folder / name, ignore_errors=True)
            (self.settings.folder / name).mkdir(parents=True)
        (self.settings.folder / ".gitignore").write_text("*\n")

    def add(self, process: Process) -> None:
        """Remembers a process, so that it will be stopped whatever happens."""
        self.started.append(process)
        save(self.started, self.settings.state)

    def wait(self, what: str, there: Callable[[], bool]) -> None:
        """Waits until `there` is true. Raises `UserError` if a process ends first, or if it takes too long."""
        logs = self.settings.logs
        deadline = time.monotonic() + PATIENCE
        while not there():
            if dead := next((p for p in self.started if not is_alive(p)), None):
                log = logs / f"{dead.name}.log"
                raise UserError(
                    f"{dead.name} ended while the cluster was starting; the last lines of {printable(str(log))}:\n"
                    f"{_last_lines(log)}"
                )
            if time.monotonic() > deadline:
                raise UserError(f"{what} did not answer in {PATIENCE:.0f} s: see {printable(str(logs))}")
            time.sleep(0.3)


def _start_flink(starter: _Starter, java: str) -> None:
    settings = starter.settings
    classpath = os.pathsep.join(str(jar) for jar in fetch(FLINK_JARS))
    (settings.folder / "conf" / "config.yaml").write_text(flink_conf(settings))
    (settings.folder / "conf" / "log4j.properties").write_text(LOGGING)

    starter.add(start_worker_pool(settings))
    starter.add(start_job_manager(settings, java, classpath))
    # A TaskManager that finds no JobManager waits ten seconds before it tries again.
    starter.wait("the JobManager", lambda: task_managers(settings.rest_port) is not None)
    for number in range(1, settings.task_managers + 1):
        starter.add(start_task_manager(settings, number, java, classpath))
    starter.wait("TaskManagers", lambda: task_managers(settings.rest_port) == settings.task_managers)
    starter.wait("the worker pool", lambda: _answers(settings.pool_port))
    print(f"cluster is up: {settings.task_managers} TaskManagers of {settings.slots_each} slots")
    print(f"Flink http://localhost:{settings.rest_port}, worker pool localhost:{settings.pool_port}")
    print(f"next: make records RUNNER=flink FLINK_MASTER=localhost:{settings.rest_port}")
    print(printable(f"logs in {settings.logs}; make cluster-down stops it"))


def _start_portable(starter: _Starter) -> None:
    settings = starter.settings
    starter.add(start_worker_pool(settings))
    starter.add(start_job_service(settings))
    starter.wait("the worker pool", lambda: _answers(settings.pool_port))
    starter.wait("the job service", lambda: _answers(settings.job_port))
    print(f"cluster is up: job service localhost:{settings.job_port}, worker pool :{settings.pool_port}")
    print(printable(f"logs in {settings.logs}; make cluster-down stops it"))


def _last_lines(log: Path) -> str:
    """The end of a log, indented."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(f"  {line}" for line in lines)


def _answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(run_with_log_lines(lambda: up(parse_settings(__doc__))))
