"""Changes of a manifest's fields, and the line that refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.records.manifest import load_manifest

Values = dict[str, Any]


def refusal(folder: Path, load: Callable[[], Any] | None = None) -> str:
    """The one line that refuses a record set."""
    with pytest.raises(UserError) as caught:
        load() if load is not None else load_manifest(str(folder))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def setter(path: str, value: object) -> Callable[[Values], None]:
    """Sets the field at a path such as "shards.train.0.bytes"."""

    def change(values: Values) -> None:
        *way, last = [int(name) if name.isdigit() else name for name in path.split(".")]
        inner: Any = values
        for name in way:
            inner = inner[name]
        inner[last] = value

    return change


def remover(path: str) -> Callable[[Values], None]:
    """Removes the field at such a path."""

    def change(values: Values) -> None:
        *way, last = path.split(".")
        inner: Any = values
        for name in way:
            inner = inner[int(name) if name.isdigit() else name]
        del inner[last]

    return change
