"""The YAML file in which a YOLO set names its splits and classes."""

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from beam_jobs.sources.annotation_file import read_annotations
from beam_jobs.sources.open_file import is_local
from pipeline.errors import UserError, printable, shown

YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
MAX_YAML_BYTES = 1 << 22

_NAMES_LINE = re.compile(rb"^names\s*:", re.MULTILINE)


def find_yaml(root: str) -> str | None:
    """The path of a data folder's YAML file: one of the known names, else the only one that holds `names`, else None.

    Raises `UserError` if several hold `names`, or if one that seems to is not YAML.
    """
    for name in YAML_FILES:
        if os.path.isfile(f"{root}/{name}"):
            return f"{root}/{name}"
    if not is_local(root):
        return None
    others = [name for name in sorted(os.listdir(root)) if name.lower().endswith((".yaml", ".yml")) and name[0] != "."]
    found = [name for name in others if os.path.isfile(f"{root}/{name}") and _holds_names(f"{root}/{name}")]
    if len(found) > 1:
        raise UserError(
            f"--data_dir must hold one YAML file with `names`, got {', '.join(found)} in {root!r}; "
            f"call the right one {YAML_FILES[0]}"
        )
    return f"{root}/{found[0]}" if found else None


def read_yaml(path: str) -> dict[str, Any]:
    """The mapping in a YAML file, with every scalar as a string: a class called `no` must not become False.

    Raises `UserError` if it is not YAML, or not a mapping.
    """
    content = _parsed(read_annotations(path, limit=MAX_YAML_BYTES), path)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold `names` and where `train` is, got {shown(content)}")
    return content


def _holds_names(path: str) -> bool:
    """Whether it is a mapping with `names`. Files for other programs may lie there too, in whatever dialect."""
    if os.path.getsize(path) > MAX_YAML_BYTES:
        return False
    data = read_annotations(path, limit=MAX_YAML_BYTES)
    if b"names" not in data:
        return False
    try:
        content = _parsed(data, path)
    except UserError:
        if _NAMES_LINE.search(data):
            raise
        return False
    return isinstance(content, dict) and "names" in content


def _parsed(data: bytes, path: str) -> Any:
    try:
        return yaml.load(data, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:  # TypeError: a mapping as a key
        raise UserError(f"{path} must be YAML, got an error: {printable(' '.join(str(error).split()))}") from None
