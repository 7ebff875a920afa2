"""Configuration dataclasses to plain JSON values and back, and the checksum of such values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from typing import Any, TypeVar

from pipeline.errors import UserError

T = TypeVar("T")

# Metadata of a field that files of earlier versions lack. Its default must be what was done before the field existed.
LATER = {"later": True}


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values. Equal ones give the same text: a real setting of 0 is 0.0."""

    def plain(values: Any) -> dict[str, Any]:
        return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(values))))

    return plain(from_dict(type(config), plain(config), where=type(config).__name__))


def from_dict(kind: type[T], values: Any, *, where: str) -> T:
    """The dataclass that `to_dict` wrote down. Only fields that are `LATER` may be missing: they have their defaults.

    Raises `UserError` naming `where` for missing or unknown fields.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    needed = {name for name, field in fields.items() if not field.metadata.get("later")}
    if not isinstance(values, dict) or not needed <= set(values) <= set(fields):
        got = ", ".join(sorted(values)) if isinstance(values, dict) else repr(values)
        raise UserError(f"{where} must have the fields {', '.join(sorted(fields))}, got {got}; "
                        "it was written by another version of prematch")  # fmt: skip
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name], values[name], f"{where}.{name}") for name in fields if name in values})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where=where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # X | None
        return None if value is None else _value(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where} must be a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[1:] == (Ellipsis,) else arguments
        if len(kinds) != len(value):
            raise UserError(f"{where} must be a list of {len(kinds)}, got {value!r}")
        return tuple(_value(k, v, where) for k, v in zip(kinds, value, strict=True))
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise UserError(f"{where} must be of type {hint.__name__}, got {value!r}")
    return float(value) if hint is float else value


def canonical_json(values: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for equal values, for checksums."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def checksum(values: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of the values."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()
