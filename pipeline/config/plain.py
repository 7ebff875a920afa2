"""Dataclasses to plain JSON values and back, with every field checked, and checksums of such values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import Any, TypeVar, cast

import msgspec

from pipeline.errors import UserError, shown

T = TypeVar("T")

# Metadata of a field that files of earlier versions lack. Its default must give the behaviour from before it existed.
LATER = {"later": True}

JSON_BYTES = 1 << 26  # of a JSON file, at most: a manifest of 300,000 shards has 60 MB; parsed, up to 22 times that

# What msgspec calls a type, and what we call it.
_TYPES = {
    "`array": "`a list",
    "`object": "`a JSON object",
    "`int": "`of type int",
    "`float": "`of type float",
    "`str": "`of type str",
    "`bool": "`of type bool",
    " | null": " or None",
}


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain JSON values. Equal dataclasses give equal values: a float field set to 0 becomes 0.0."""

    def plain(values: Any) -> Any:
        # asdict sees defaults that msgspec left to the class, which its encoder does not.
        return msgspec.json.decode(msgspec.json.encode(dataclasses.asdict(values)))

    return cast(dict[str, Any], plain(msgspec.convert(plain(config), type(config))))


def from_dict(kind: type[T], values: Any, *, where: str, text: bool = False) -> T:
    """The dataclass that plain values describe: the inverse of `to_dict`, for untrusted values.

    Args:
        kind: a dataclass. Its types are checked strictly (a bool is no int, but an int is a float), within the limits
            that `Annotated[..., msgspec.Meta(...)]` and `__post_init__` set. Only `LATER` fields may be missing.
        values: what `parse_json` returned.
        where: the file, for messages.
        text: whether numbers are given as texts, as in a CSV file.

    Raises `UserError`, one line that names `where` and the field.
    """
    try:
        made = msgspec.convert(values, kind, strict=not text)
    except msgspec.ValidationError as error:
        raise UserError(_reworded(str(error), values, where)) from None
    except UserError as error:  # from __post_init__
        raise UserError(f"{where}: {error}") from None
    _check_names(made, values, where, "")
    return made


def parse_json(data: bytes, *, where: str) -> Any:
    """The values of a JSON text, which is UTF-8 without NaN and infinity. Raises `UserError` that names `where`."""
    if len(data) > JSON_BYTES:
        raise UserError(f"{where} must have at most {JSON_BYTES} bytes, got {len(data)}")
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise UserError(f"{where} is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON: {error}") from None


def canonical_json(values: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for equal values, for checksums."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def checksum(values: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of the values."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def check_checksum(values: dict[str, Any], *, where: str) -> None:
    """Compares the field `checksum` with the checksum of all others. Raises `UserError` that names `where`."""
    try:
        expected = checksum({name: value for name, value in values.items() if name != "checksum"})
    except RecursionError:
        raise UserError(f"{where} is nested too deeply") from None
    if values.get("checksum") != expected:
        stated = shown(values.get("checksum"))
        raise UserError(f"{where} must have the checksum {expected}, got {stated}: it was altered")


def _check_names(made: Any, values: Any, where: str, path: str) -> None:
    """Refuses fields that a dataclass does not have, and missing ones that are not `LATER`."""
    if dataclasses.is_dataclass(made):
        fields = dataclasses.fields(made)
        names = {field.name for field in fields}
        needed = {field.name for field in fields if not field.metadata.get("later")}
        if missing := needed - set(values):
            raise UserError(_other_version(where, path, f"the field {min(missing)}, got none"))
        if unknown := set(values) - names:
            raise UserError(_other_version(where, path, f"no field {shown(min(unknown))}, got one"))
        for name in names & set(values):
            _check_names(getattr(made, name), values[name], where, f"{path}.{name}")
    elif isinstance(made, tuple):
        for index, (one, value) in enumerate(zip(made, values, strict=True)):
            _check_names(one, value, where, f"{path}[{index}]")


def _reworded(message: str, values: Any, where: str) -> str:
    """A message of msgspec, such as "Expected `int`, got `str` - at `$.canvas.size`", the way we put it."""
    problem, _, path = message.partition(" - at `")
    path = path.removeprefix("$").removesuffix("`")
    if missing := re.fullmatch("Object missing required field `(.*)`", problem):
        return _other_version(where, path, f"the field {missing[1]}, got none")
    expected = problem.removeprefix("Expected ").split(", got ")[0]
    for name, ours in _TYPES.items():
        expected = expected.replace(name, ours)
    return f"{_place(where, path)} must be {expected.replace('`', '')}, got {shown(_at(values, path))}"


def _at(values: Any, path: str) -> Any:
    """The value at a path such as `.canvas.object_size[1]`; of a path through a map, the map."""
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            break
        values = values[name] if name else values[int(index)]
    return values


def _place(where: str, path: str) -> str:
    return f"{where}: {path.removeprefix('.')}" if path else where


def _other_version(where: str, path: str, must_have: str) -> str:
    return f"{_place(where, path)} must have {must_have}; it was written by another version of prematch"
