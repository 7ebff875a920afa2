"""Which names classes may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from beam_jobs.sources.image_reference import split_reference
from beam_jobs.sources.source import BadImage, Item
from pipeline.errors import UserError, printable, shown
from pipeline.records.manifest import MAX_CLASSES

LONGEST_CLASS_NAME = 200  # characters
_JOINERS = "\u200c\u200d"


def is_class_name(name: object) -> bool:
    """Whether it can be a class name: printable text, neither empty nor too long, without blanks around it.

    Characters that join or part letters (U+200C, U+200D), as in Persian and in emoji, may be inside.
    """
    return isinstance(name, str) and _is_good(name)


def tidy_class_name(name: str) -> str:
    """The name without blanks around it, and with one blank between words."""
    return " ".join(name.split())


def _faults(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        try:
            split_reference(item.reference)
        except BadImage as reason:
            yield str(reason)
        yield from (f"a box of {item.source_id} {box.fault}" for box in item.boxes or () if box.fault is not None)


@lru_cache(maxsize=1 << 16)  # asked for every box
def _is_good(name: str) -> bool:
    letters = name.translate(dict.fromkeys(map(ord, _JOINERS)))
    return 0 < len(name) <= LONGEST_CLASS_NAME and letters.isprintable() and name == name.strip().strip(_JOINERS)


def check_class_names(source: str, names: Collection[str], items: Iterable[Item] = ()) -> None:
    """Raises `UserError` unless there are classes, not too many, with printable and distinct names.

    Args:
        source: its name.
        names: of the classes.
        items: what was read; if there are no classes, the first fault in them is probably why.
    """
    if not names:
        reason = next(_faults(items), None)
        why = "" if reason is None else f"; the first of its faults: {reason}"
        raise UserError(f"source {source} must have objects of at least one class, got none in its annotations{why}")
    if len(names) > MAX_CLASSES:
        raise UserError(f"source {source} must have at most {MAX_CLASSES} classes, got {len(names)}")
    for name in names:
        if not is_class_name(name):
            wanted = f"printable and of 1 to {LONGEST_CLASS_NAME} characters"
            raise UserError(f"names of classes must be {wanted}, got {shown(name)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"names of classes must differ, got {printable(twice[0])} more than once")
