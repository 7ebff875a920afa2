"""Variables as they are typed on make's command line."""

from __future__ import annotations

import shlex
from pathlib import Path


def make_variable(name: str, value: str | Path) -> str:
    """`NAME=value`, quoted for a shell. The Makefile takes values as they are, so `$` is not doubled for make."""
    return f"{name}={shlex.quote(str(value))}"
