"""Which names classes may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from beam_jobs.sources.image_files import parse_reference
from beam_jobs.sources.source import BadImage, Item
from pipeline.errors import UserError, make_printable, show_value
from pipeline.records.manifest import MAX_CLASSES

_LONGEST = 200  # characters
_JOINERS = "\u200c\u200d"


@lru_cache(maxsize=1 << 16)  # asked for every box
def is_class_name(name: str) -> bool:
    """Whether it can be a class name: printable text, neither empty nor too long, without blanks around it.

    Characters that join or part letters (U+200C, U+200D), as in Persian and in emoji, may be inside.
    """
    letters = name.translate(dict.fromkeys(map(ord, _JOINERS)))
    return 0 < len(name) <= _LONGEST and letters.isprintable() and name == name.strip().strip(_JOINERS)


def tidy_class_name(name: str) -> str:
    """The name without blanks around it, and with one blank between words."""
    return " ".join(name.split())


def check_class_names(source: str, names: Collection[str], items: Iterable[Item] = ()) -> None:
    """Raises `UserError` unless there are classes, not too many, with printable and distinct names.

    Args:
        source: its name.
        names: of the classes.
        items: what was read; if there are no classes, the first fault in them is probably why.
    """
    if not names:
        reason = next(_list_faults(items), None)
        why = "" if reason is None else f"; the first fault in them: {reason}"
        raise UserError(f"source {source} has no class: no object in its annotations can be used{why}")
    if len(names) > MAX_CLASSES:
        raise UserError(f"source {source} must have at most {MAX_CLASSES} classes, got {len(names)}")
    for name in names:
        if not is_class_name(name):
            wanted = f"printable and of 1 to {_LONGEST} characters"
            raise UserError(f"names of classes must be {wanted}, got {show_value(name)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(
            f"source {source} has two classes called {make_printable(twice[0])}; give each a name of its own"
        )


def _list_faults(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        try:
            parse_reference(item.reference)
        except BadImage as reason:
            yield str(reason)
        yield from (f"a box of {item.source_id} {box.fault}" for box in item.boxes or () if box.fault is not None)
