"""Runs: one small file each, found by its name."""

from __future__ import annotations

import importlib
import pkgutil

from pipeline.errors import UserError
from pipeline.recipe import Config


def config_names() -> list[str]:
    """The names of all configurations."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_config(name: str) -> Config:
    """The configuration of that name. Raises `UserError` that lists the names where there is none."""
    if name not in config_names():
        raise UserError(f"--config must be one of {', '.join(config_names())}, got {name!r}")
    config: Config = importlib.import_module(f"configs.{name}").CONFIG
    return config
