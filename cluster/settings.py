"""The cluster's folder, ports and size."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

FLINK = "flink"  # JobManager and TaskManagers
PORTABLE = "portable"  # Beam's own job service in Python: no Java
ENGINES = (FLINK, PORTABLE)


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
        return (
            *((self.rest_port, self.rpc_port) if self.engine == FLINK else (self.job_port,)),
            self.pool_port,
        )


def parse_settings(description: str | None) -> ClusterSettings:
    """The settings from the command line."""
    default = ClusterSettings()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, default=default.folder, help="for process ids, configuration, logs")
    parser.add_argument("--engine", choices=ENGINES, default=default.engine, help="what runs the jobs")
    helps = {
        "rest_port": "of Flink's JobManager: Beam's --flink_master",
        "rpc_port": "of Flink's JobManager, for TaskManagers",
        "job_port": "of Beam's job service: Beam's --job_endpoint",
        "pool_port": "of the worker pool: Beam's --environment_config",
    }
    for name, text in helps.items():
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name), help=text)
    options = parser.parse_args()
    ports = {name: getattr(options, name) for name in helps}
    return ClusterSettings(folder=options.folder.absolute(), engine=options.engine, **ports)
