"""A cluster for a test, and record jobs on it, as users start them."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.jars import job_server_jar
from cluster.processes import Process, load
from cluster.up import FLINK, ClusterSettings
from pipeline.files import hash_file
from tests.commands import output, run_module, start_module, wait_until
from tests.processes import children, quiet_ports


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    settings: ClusterSettings

    @staticmethod
    def start(engine: str, folder: Path) -> Cluster:
        """Starts one on free ports."""
        names = ("rest_port", "rpc_port", "job_port", "pool_port")
        ports = dict(zip(names, quiet_ports(len(names)), strict=True))
        settings = ClusterSettings(folder=folder, engine=engine, **ports)
        flags = [f"--engine={engine}", *(f"--{name}={port}" for name, port in ports.items())]
        output(run_module("cluster", "up", f"--folder={folder}", *flags))
        return Cluster(settings)

    def stop(self) -> None:
        """Stops it."""
        output(run_module("cluster", "down", f"--folder={self.settings.folder}"))

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
        """How often Flink has restarted a job."""
        return (self.settings.logs / "jobmanager.log").read_text().count("switched from state RUNNING to RESTARTING")

    def kill_task_manager(self) -> None:
        """SIGKILL for one TaskManager."""
        os.kill(self.process("taskmanager-1").pid, signal.SIGKILL)

    def kill_workers(self) -> int:
        """SIGKILL for the Python workers that the pool has started. Returns how many there were."""
        workers = children(self.process("worker-pool").pid)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        return len(workers)


def start_job(config: str, records: Path, *flags: str) -> subprocess.Popen[str]:
    """Starts a records job."""
    return start_module("beam_jobs.make_records", f"--config={config}", f"--records={records}", *flags)


def wait_for_first_shard(job: subprocess.Popen[str], records: Path) -> int:
    """Waits until the job has finished a shard. Returns how many it has finished by then."""
    wait_until(lambda: any(records.glob("receipts/*.json")), job)
    return len(list(records.glob("receipts/*.json")))


def checksums(records: Path) -> dict[str, str]:
    """The SHA-256 of every shard, by name."""
    return {path.name: hash_file(path) for path in sorted(records.glob("*.tfrecord"))}
