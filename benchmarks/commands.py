"""Commands of the project, run by benchmarks one after the other."""

from __future__ import annotations

import subprocess
import sys


def run_module(module: str, *arguments: str) -> None:
    """Runs `python -m module` to its end; ends with its status where it fails: it has said why."""
    status = subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode
    if status:
        sys.exit(status)
