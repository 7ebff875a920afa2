"""JSON documents with one value altered, chosen over all values and all ways."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.forging.sealed import Raw

Path = tuple[str | int, ...]
Kind = Callable[[Any], Any]

DEEP = 200_000


class _Skip(Exception):
    """This way does not apply to this value."""


def _only(kinds: type | tuple[type, ...], change: Kind) -> Kind:
    def changed(value: Any) -> Any:
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise _Skip
        return change(value)

    return changed


NUMBER = (int, float)
MISSING = "missing"  # the one way that needs the parent of the value
KINDS: dict[str, Kind] = {
    "null": lambda _: None,
    "true": lambda _: True,
    "a number": lambda _: 7,
    "a fraction": lambda _: 0.37,
    "a string": lambda _: "x",
    "an empty string": lambda _: "",
    "a list": lambda _: [1, 2],
    "an object": lambda _: {"x": 1},
    "an empty list": lambda _: [],
    "an empty object": lambda _: {},
    "zero": lambda _: 0,
    "minus one": lambda _: -1,
    "negative": _only(NUMBER, lambda value: -value - 1),
    "one more": _only(NUMBER, lambda value: value + 1),
    "a bit more": _only(float, lambda value: value * 1.01 + 0.001),
    "half": _only(NUMBER, lambda value: value / 2),
    "as a float": _only(int, float),
    "as text": _only(NUMBER, str),
    "30,000": lambda _: 30_000,
    "2^31": lambda _: 2**31,
    "2^63": lambda _: 2**63,
    "1e300": lambda _: 1e300,
    "10^300": lambda _: 10**300,
    "10^5000": lambda _: Raw(b"1" + b"0" * 5000),
    "NaN": lambda _: float("nan"),
    "infinity": lambda _: float("inf"),
    "minus infinity": lambda _: -float("inf"),
    "1e999": lambda _: Raw(b"1e999"),
    "NUL in it": _only(str, lambda value: value[:1] + "\0" + value[1:]),
    "NUL": lambda _: "a\0b",
    "a control character": _only(str, lambda value: value + "\x1b[2J"),
    "a line break": _only(str, lambda value: value + "\n"),
    "half a surrogate": lambda _: "\ud800",
    "not UTF-8": lambda _: Raw(b'"\xff\xfe"'),
    "a path": _only(str, lambda value: "../" + value),
    "an absolute path": _only(str, lambda _: "/dev/zero"),
    "a long string": lambda _: "x" * 1_000_000,
    "another string": _only(str, lambda value: value[:-1] + ("0" if value[-1:] != "0" else "1")),
    "upper case": _only(str, str.upper),
    "one item more": _only(list, lambda value: [*value, *value[-1:]]),
    "one item less": _only(list, lambda value: value[:-1]),
    "the other way round": _only(list, lambda value: value[::-1]),
    "100,000 items": _only(list, lambda value: (value or [0]) * (100_000 // max(len(value), 1))),
    "one field more": _only(dict, lambda value: {**value, "surplus": 1}),
    "fields renamed": _only(dict, lambda value: {name.upper(): part for name, part in value.items()}),
    "a field twice": _only(dict, lambda value: Raw(b'{"x":1,"x":2}')),
    "deep nesting": lambda _: Raw(b"[" * DEEP + b"]" * DEEP),
    "deep objects": lambda _: Raw(b'{"x":' * DEEP + b"1" + b"}" * DEEP),
}


@dataclass(frozen=True)
class Alteration:
    """One value of a document, and the way in which it is altered."""

    path: Path
    kind: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.kind}"

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """The altered document; the given one stays."""
        altered = copy.deepcopy(document)
        parent: Any = altered
        for step in self.path[:-1]:
            parent = parent[step]
        last = self.path[-1]
        if self.kind == MISSING:
            del parent[last]
        else:
            parent[last] = KINDS[self.kind](parent[last])
        return altered


def all_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all values; of a list those of the first, a middle and the last item."""
    if path and path[-1] != "checksum":
        yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from all_paths(part, (*path, name))
    elif isinstance(value, list):
        for index in sorted({0, len(value) // 2, len(value) - 1} & set(range(len(value)))):
            yield from all_paths(value[index], (*path, index))


def choose_alterations(document: dict[str, Any], count: int, seed: int) -> list[Alteration]:
    """So many alterations: every value about as often as any other, and every way too."""
    choose = random.Random(seed)
    paths, kinds = list(all_paths(document)), [MISSING, *KINDS]
    chosen: dict[Alteration, None] = {}
    while len(chosen) < min(count, len(paths) * len(kinds) // 2):
        order = _shuffled(choose, paths)
        for number, kind in enumerate(_shuffled(choose, kinds * (len(paths) // len(kinds) + 1))[: len(paths)]):
            alteration = Alteration(order[number], kind)
            try:
                altered = alteration.apply(document)
            except _Skip:
                continue
            if repr(altered) != repr(document):
                chosen[alteration] = None
    return list(chosen)[:count]


def _shuffled(choose: random.Random, values: Sequence[Any]) -> list[Any]:
    return choose.sample(values, len(values))
