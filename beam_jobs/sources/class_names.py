"""Which names classes may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from pipeline.errors import UserError, printable, shown
from pipeline.records.manifest import MAX_CLASSES

LONGEST_CLASS_NAME = 200  # characters


def is_class_name(name: object) -> bool:
    """Whether it can be a class name: printable text, neither empty nor too long, without blanks around it."""
    return isinstance(name, str) and _is_good(name)


def tidy_class_name(name: str) -> str:
    """The name without blanks around it, and with one blank between words."""
    return " ".join(name.split())


@lru_cache(maxsize=1 << 16)  # asked for every box
def _is_good(name: str) -> bool:
    return 0 < len(name) <= LONGEST_CLASS_NAME and name.isprintable() and name == name.strip()


def check_class_names(source: str, names: Collection[str]) -> None:
    """Raises `UserError` unless there are classes, not too many, with printable and distinct names."""
    if not names:
        raise UserError(f"source {source} must have objects of at least one class, got none in its annotations")
    if len(names) > MAX_CLASSES:
        raise UserError(f"source {source} must have at most {MAX_CLASSES} classes, got {len(names)}")
    for name in names:
        if not is_class_name(name):
            wanted = f"printable and of 1 to {LONGEST_CLASS_NAME} characters"
            raise UserError(f"names of classes must be {wanted}, got {shown(name)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"names of classes must differ, got {printable(twice[0])} more than once")
