"""The categories of COCO files, which are the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from beam_jobs.sources.class_names import tidy_class_name
from pipeline.errors import UserError, require, show_value
from pipeline.typed_json import MAX_COUNT


class Category(msgspec.Struct):
    """An entry of `categories`, not yet checked."""

    id: Any = None
    name: Any = None


class CategoryList(NamedTuple):
    """What one file says."""

    path: str
    categories: Sequence[object]
    used: frozenset[int]  # the ids in its annotations


def name_classes(lists: Sequence[CategoryList]) -> dict[int, str]:
    """The categories that annotations use; exports often begin with one that only groups the others.

    Categories of the same name get their ids added, because classes are known by their names.

    Raises:
        UserError: the files do not agree, or a manifest cannot hold an id.
    """
    used = frozenset().union(*(each.used for each in lists))
    names: dict[int, str] = {}
    for each in lists:
        names.update(_read_names(each, names, used))
    _check_numbering(lists, names)
    for number in names:
        require(0 <= number <= MAX_COUNT, "ids of categories", f"from 0 to {MAX_COUNT}", number)
    count = Counter(names.values())
    return {number: f"{name} (id {number})" if count[name] > 1 else name for number, name in names.items()}


def _read_names(listed: CategoryList, before: dict[int, str], used: frozenset[int]) -> dict[int, str]:
    """The names by id of those categories of a file that are used, in this file or another."""
    names: dict[int, str] = {}
    for category in listed.categories:
        if not isinstance(category, Category) or type(category.id) is not int:
            raise UserError(
                f"{listed.path}: categories must be objects with an integer `id`, got {show_value(category)}"
            )
        if category.id not in used:
            continue
        known = names.get(category.id, before.get(category.id))
        name = tidy_class_name(category.name) if isinstance(category.name, str) else None
        if name is None or known not in (None, name):
            wanted = "a string" if known is None else f"{show_value(known)} as before"
            advice = "" if known is None else "; number the categories of all files alike, each with one name"
            got = f"{show_value(category.name)}{advice}"
            raise UserError(f"{listed.path}: the name of category {category.id} must be {wanted}, got {got}")
        names[category.id] = name
    return names


def _check_numbering(lists: Sequence[CategoryList], names: dict[int, str]) -> None:
    """Raises `UserError` if two files number the same class differently: it would become two classes."""
    first: dict[str, tuple[str, set[int]]] = {}
    for listed in lists:
        ids: dict[str, set[int]] = {}
        for category in listed.categories:
            if isinstance(category, Category) and category.id in names:
                ids.setdefault(names[category.id], set()).add(category.id)
        for name, numbers in ids.items():
            path, others = first.setdefault(name, (listed.path, numbers))
            if not (numbers <= others or others <= numbers):
                raise UserError(
                    f"{listed.path}: category {show_value(name)} must have the id {_join(others)} as in {path}, "
                    f"got {_join(numbers)}; number the categories of all files alike"
                )


def _join(numbers: set[int]) -> str:
    return " and ".join(map(str, sorted(numbers)))
