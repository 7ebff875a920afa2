"""Paths as they are typed on make's command line."""

from __future__ import annotations

import shlex
from pathlib import Path


def make_variable(name: str, value: str | Path) -> str:
    """`NAME=value`, quoted for a shell. make expands `$` itself, so it is doubled."""
    return f"{name}={shlex.quote(str(value).replace('$', '$$'))}"
