"""A cluster of a test's own, and record jobs on it, as users start them."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cluster.job_server import job_server_jar
from cluster.processes import Process, load
from cluster.settings import FLINK, ClusterSettings

PROJECT = Path(__file__).resolve().parents[2]
MINUTES = 5 * 60.0  # how long a job on a busy machine may take before the test gives up


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up."""

    settings: ClusterSettings

    @staticmethod
    def start(engine: str, folder: Path) -> Cluster:
        """Starts one on free ports."""
        ports = {name: free_port() for name in ("rest_port", "rpc_port", "job_port", "pool_port")}
        settings = ClusterSettings(folder=folder, engine=engine, **ports)
        flags = [f"--engine={engine}", *(f"--{name}={port}" for name, port in ports.items())]
        run_module("cluster.up", f"--folder={folder}", *flags)
        return Cluster(settings)

    def stop(self) -> None:
        """Stops it."""
        run_module("cluster.down", f"--folder={self.settings.folder}")

    def job_flags(self) -> list[str]:
        """The flags of make_records that run a job here."""
        settings = self.settings
        options = ["environment_type=EXTERNAL", f"environment_config=localhost:{settings.pool_port}"]
        if settings.engine == FLINK:
            options += [
                f"flink_master=localhost:{settings.rest_port}",
                f"flink_job_server_jar={job_server_jar()}",
                f"parallelism={settings.slots_each}",
            ]
            return ["--runner=FlinkRunner", *(f"--beam_arg=--{option}" for option in options)]
        options.append(f"job_endpoint=localhost:{settings.job_port}")
        return ["--runner=portable", *(f"--beam_arg=--{option}" for option in options)]

    def process(self, name: str) -> Process:
        """One of its processes."""
        (found,) = [p for p in load(self.settings.state) if p.name == name]
        return found

    def restarts(self) -> int:
        """How often Flink has started a job anew."""
        return (self.settings.logs / "jobmanager.log").read_text().count("switched from state RUNNING to RESTARTING")

    def kill_task_manager(self) -> None:
        """SIGKILL for one TaskManager."""
        os.kill(self.process("taskmanager-1").pid, signal.SIGKILL)

    def kill_workers(self) -> int:
        """SIGKILL for the Python workers that the pool has started; -> how many."""
        pool = self.process("worker-pool").pid
        said = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in said.stdout.splitlines()]
        workers = [int(pid) for pid, parent, stat in rows if int(parent) == pool and not stat.startswith("Z")]
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        return len(workers)


def run_module(module: str, *flags: str) -> str:
    """Runs a command of the project to its end; -> what it printed. Its failure fails the test."""
    command = [sys.executable, "-m", module, *flags]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=MINUTES)
    assert done.returncode == 0, f"{module} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def start_job(config: str, records: Path, *flags: str) -> subprocess.Popen[str]:
    """Starts a records job."""
    command = [sys.executable, "-m", "beam_jobs.make_records", f"--config={config}", f"--records={records}"]
    return subprocess.Popen(
        [*command, *flags], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for_first_shard(job: subprocess.Popen[str], records: Path) -> int:
    """Waits until the job has finished a shard, looking all the time; -> how many it has by then."""
    deadline = time.monotonic() + MINUTES
    while not (finished := len(list(records.glob("receipts/*.json")))):
        assert job.poll() is None, f"the job ended before its first shard:\n{job.communicate()[0]}"
        assert time.monotonic() < deadline, "no shard was finished in time"
        time.sleep(0.005)
    return finished


def checksums(records: Path) -> dict[str, str]:
    """The SHA-256 of every shard, by name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(records.glob("*.tfrecord"))}
