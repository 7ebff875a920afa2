"""Sources of pictures, one per file, chosen by name."""

from __future__ import annotations

from beam_jobs.sources.cifar10 import Cifar10
from beam_jobs.sources.digits import Digits
from beam_jobs.sources.source import Source
from pipeline.errors import UserError

SOURCES = ("cifar10", "digits")


def make_source(name: str, data_dir: str | None) -> Source:
    """The source of that name, ready to be read. Raises `UserError` for an unknown name or unusable data."""
    if name == "cifar10":
        return Cifar10.prepare(data_dir)
    if name == "digits":
        return Digits.prepare(data_dir)
    raise UserError(f"records.source must be one of {', '.join(SOURCES)}, got {name!r}")
