"""A YOLO set's YAML file, which names its splits and classes, and the text files that name classes without one."""

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from beam_jobs.sources.annotation_files import read_annotations
from beam_jobs.sources.class_names import tidy_class_name
from beam_jobs.sources.image_files import is_local
from beam_jobs.sources.splits import SPLIT_WORDS
from pipeline.errors import UserError, make_printable, show_value

YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_FILES = (
    *("classes.txt", "labels/classes.txt", "obj.names"),
    # LabelImg writes one into every folder of labels.
    *(f"{folder}/classes.txt" for word in SPLIT_WORDS for folder in (f"labels/{word}", f"{word}/labels")),
)
_MAX_BYTES = 1 << 22
_NAMES_LINE = re.compile(rb"^names\s*:", re.MULTILINE)

Names = tuple[tuple[int, str], ...]  # number and name of each class, by number


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
    found = [name for name in others if os.path.isfile(f"{root}/{name}") and _has_names(f"{root}/{name}")]
    if len(found) > 1:
        raise UserError(
            f"{', '.join(found)} in {root!r} each have `names`, so it is not clear which counts; call the right one "
            f"{YAML_FILES[0]}"
        )
    return f"{root}/{found[0]}" if found else None


def read_yaml(path: str) -> dict[str, Any]:
    """The mapping in a YAML file, with every scalar as a string: a class called `no` must not become False.

    Raises `UserError` if it is not YAML, or not a mapping.
    """
    content = _parse(read_annotations(path, limit=_MAX_BYTES), path)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold `names` and where `train` is, got {show_value(content)}")
    return content


def parse_names(names: object, path: str) -> Names:
    """The classes of a YAML file's `names`: a list, or a mapping of numbers to names.

    Raises `UserError` with the file's path if it is neither.
    """
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    found = {}
    for number, name in pairs:
        text = str(number)
        if not isinstance(name, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
            raise UserError(
                f"{path}: `names` must give a name for each number, got {show_value(number)}: {show_value(name)}"
            )
        found[int(text)] = tidy_class_name(name)
    if not found:
        raise UserError(f"{path}: `names` must be a list of names, or numbers and names, got {show_value(names)}")
    return tuple(sorted(found.items()))


def read_class_files(root: str) -> Names | None:
    """The classes in the `CLASS_FILES` of a data folder, one a line; None if it has no such file.

    Raises `UserError` if two of them differ.
    """
    there = [place for place in CLASS_FILES if os.path.isfile(f"{root}/{place}")]
    found = [_read_class_file(f"{root}/{place}") for place in there]
    for place, names in zip(there, found, strict=True):
        if names != found[0]:
            raise UserError(
                f"{there[0]} and {place} in {root!r} name different classes; keep the one that the numbers in the "
                "labels follow"
            )
    return found[0] if found else None


def _read_class_file(path: str) -> Names:
    text = read_annotations(path, limit=_MAX_BYTES).decode("utf-8", "backslashreplace")
    return tuple(enumerate(tidy_class_name(line) for line in text.strip().splitlines()))


def _has_names(path: str) -> bool:
    """Whether it is a mapping with `names`. Files for other programs may lie there too, in whatever dialect."""
    if os.path.getsize(path) > _MAX_BYTES:
        return False
    data = read_annotations(path, limit=_MAX_BYTES)
    if b"names" not in data:
        return False
    try:
        content = _parse(data, path)
    except UserError:
        if _NAMES_LINE.search(data):
            raise
        return False
    return isinstance(content, dict) and "names" in content


def _parse(data: bytes, path: str) -> Any:
    try:
        return yaml.load(data, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:  # TypeError: a mapping as a key
        raise UserError(f"{path} is not YAML: {make_printable(' '.join(str(error).split()))}") from None
