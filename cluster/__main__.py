"""The cluster's commands: `python -m cluster up|down|job-server|lock-jars`.

up and down start and stop a cluster on this machine; job-server prints the path of the jar that Beam's
--flink_job_server_jar wants, and makes it; lock-jars writes a new jars.lock next to every pom.xml.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cluster.flink import find_java
from cluster.jars import FLINK_JARS, JOB_SERVER_JARS, job_server_jar, write_lock
from cluster.up import ENGINES, ClusterSettings, down, up
from pipeline.command_line import run_and_report

PORTS = {
    "rest_port": "of Flink's JobManager: Beam's --flink_master",
    "rpc_port": "of Flink's JobManager, for TaskManagers",
    "job_port": "of Beam's job service: Beam's --job_endpoint",
    "pool_port": "of the worker pool: Beam's --environment_config",
}


def main() -> int:
    """Runs the command that the first argument names. Returns the exit status."""
    default = ClusterSettings()
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "job-server", "lock-jars"))
    parser.add_argument("--folder", type=Path, default=default.folder, help="for process ids, configuration, logs")
    parser.add_argument("--engine", choices=ENGINES, default=default.engine, help="what runs the jobs")
    for name, text in PORTS.items():
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name), help=text)
    options = parser.parse_args()

    def run() -> None:
        ports = {name: getattr(options, name) for name in PORTS}
        settings = ClusterSettings(folder=options.folder.absolute(), engine=options.engine, **ports)
        if options.command == "up":
            up(settings)
        elif options.command == "down":
            down(settings)
        elif options.command == "job-server":
            find_java()
            print(job_server_jar())
        else:
            for jars in (FLINK_JARS, JOB_SERVER_JARS):
                write_lock(jars)

    return run_and_report(run, interrupted="`make cluster-down` stops what was started")


if __name__ == "__main__":
    sys.exit(main())
