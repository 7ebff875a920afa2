"""Configurations, one small file each. `--config` takes the file's name, or folder.name for one in a folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from pipeline.config.run_config import Config
from pipeline.errors import UserError, make_printable


def config_names() -> list[str]:
    """The names of all configurations. Imports none: a broken folder must not stop commands that need another."""
    return sorted(_names(__path__))


def load_config(name: str) -> Config:
    """The configuration of that name. Raises `UserError` if there is none or its file is wrong."""
    if name not in config_names():
        raise UserError(f"--config must be one of {', '.join(config_names())}, got {name!r}")
    where = f"configs/{name.replace('.', '/')}.py"
    try:
        config = importlib.import_module(f"configs.{name}").CONFIG
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except (Exception, SystemExit) as error:  # the file is the user's: it may raise anything
        raise UserError(
            f"{where} must define a CONFIG, got {type(error).__name__}: {make_printable(str(error))}"
        ) from None
    if not isinstance(config, Config):
        raise UserError(f"the CONFIG of {where} must be a Config, got {type(config).__name__}")
    if config.name != name:
        raise UserError(f"the name of {where} must be {name!r}, as its file's, got {config.name!r}")
    return config


def _names(paths: Iterable[str], prefix: str = "") -> Iterator[str]:
    for module in pkgutil.iter_modules(paths):
        if module.ispkg:
            yield from _names([f"{path}/{module.name}" for path in paths], f"{prefix}{module.name}.")
        else:
            yield f"{prefix}{module.name}"
