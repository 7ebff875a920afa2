"""The machine and its load, which belong next to every figure."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from pipeline.command_line import list_cores


def describe_machine() -> str:
    """Processor, cores, memory, and versions of Python and of the libraries that matter, in one line."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "apache-beam", "tensorflow"))
    cores = len(list_cores())
    return f"{_processor()}, {cores} cores, {gigabytes:.0f} GiB, Python {platform.python_version()}, {libraries}"


def load_average() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
