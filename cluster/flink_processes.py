"""Starts Flink's processes."""

from __future__ import annotations

import os

from cluster.flink_conf import (
    JOB_MANAGER_HEAP_MB,
    METASPACE_MB,
    TASK_MANAGER_DIRECT_MB,
    TASK_MANAGER_HEAP_MB,
)
from cluster.java import OPENED_PACKAGES
from cluster.processes import Process, start
from cluster.settings import ClusterSettings

_JAVA_OPTIONS = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED_PACKAGES]


def start_job_manager(settings: ClusterSettings, java: str, classpath: str) -> Process:
    """Starts the JobManager of a session cluster."""
    main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    return _start(settings, "jobmanager", [f"-Xmx{JOB_MANAGER_HEAP_MB}m"], java, classpath, main)


def start_task_manager(settings: ClusterSettings, number: int, java: str, classpath: str) -> Process:
    """Starts TaskManager `number`."""
    main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    memory = [f"-Xmx{TASK_MANAGER_HEAP_MB}m", f"-XX:MaxDirectMemorySize={TASK_MANAGER_DIRECT_MB}m"]
    return _start(settings, f"taskmanager-{number}", memory, java, classpath, main)


def _start(settings: ClusterSettings, name: str, memory: list[str], java: str, classpath: str, main: str) -> Process:
    conf = settings.folder / "conf"
    options = [*memory, f"-XX:MaxMetaspaceSize={METASPACE_MB}m", *_JAVA_OPTIONS]
    logging = f"-Dlog4j.configurationFile=file:{conf / 'log4j.properties'}"
    command = [java, *options, logging, "-cp", classpath, main, "--configDir", str(conf)]
    return start(name, command, log=settings.logs / f"{name}.log", env=os.environ)
