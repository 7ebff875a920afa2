"""Starts the worker pool and Beam's job service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cluster.processes import Process, start
from cluster.settings import ClusterSettings

PROJECT = Path(__file__).resolve().parent.parent


def start_worker_pool(settings: ClusterSettings) -> Process:
    """Starts the worker pool, which starts Python workers for the engine."""
    return _start(settings, "worker-pool", ["cluster.worker_pool", f"--service_port={settings.pool_port}"])


def start_job_service(settings: ClusterSettings) -> Process:
    """Starts Beam's job service."""
    return _start(settings, "job-service", ["cluster.job_service", f"--port={settings.job_port}"])


def _start(settings: ClusterSettings, name: str, module: list[str]) -> Process:
    # So that workers can import the project even if it is not installed.
    python_path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", *module]
    log = settings.logs / f"{name}.log"
    return start(name, command, log=log, env={**os.environ, "PYTHONPATH": python_path})
