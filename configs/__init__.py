"""Runs: one small file each, found by its name; those of a folder by folder.name."""

from __future__ import annotations

import importlib
import pkgutil

from pipeline.errors import UserError
from pipeline.recipe import Config


def config_names() -> list[str]:
    """The names of all configurations."""
    modules = pkgutil.walk_packages(__path__, prefix=f"{__name__}.")
    return sorted(module.name.removeprefix(f"{__name__}.") for module in modules if not module.ispkg)


def load_config(name: str) -> Config:
    """The configuration of that name. Raises `UserError` that lists the names where there is none."""
    if name not in config_names():
        raise UserError(f"--config must be one of {', '.join(config_names())}, got {name!r}")
    config: Config = importlib.import_module(f"configs.{name}").CONFIG
    return config
