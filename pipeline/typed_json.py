"""Typed JSON: a frozen dataclass or struct is what a file holds, what is checked when it is read, and what code uses.

A field that is added later needs a default that keeps the earlier behaviour, because files of before lack it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta

from pipeline.errors import UserError, show_value

T = TypeVar("T")

JSON_BYTES = 1 << 26  # of a JSON file, at most: a manifest of 300,000 shards has 60 MB; parsed, up to 22 times that

# Types of fields, with limits far above any real file.
MAX_COUNT = 2**53  # the largest integer that every reader of JSON keeps exact
MAX_TEXT = 1000  # characters
MAX_PATH = 4096  # bytes that Linux allows

# Control characters, surrogates and the Unicode line separators have no place in a name.
_ONE_LINE = "\\A[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]*\\Z"

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Text = Annotated[str, Meta(pattern=_ONE_LINE, max_length=MAX_TEXT)]
Name = Annotated[str, Meta(pattern=_ONE_LINE, min_length=1, max_length=MAX_TEXT)]
PathText = Annotated[str, Meta(pattern="\\A[^\\x00]+\\Z", max_length=MAX_PATH)]  # all but NUL may be in a path
FileName = Annotated[str, Meta(pattern="\\A[A-Za-z0-9._-]{1,255}\\Z")]
Sha256 = Annotated[str, Meta(pattern="\\A[0-9a-f]{64}\\Z")]
Fingerprint = Annotated[str, Meta(pattern="\\A[0-9a-f]{1,64}\\Z")]


def to_dict(typed: Any) -> dict[str, Any]:
    """A dataclass or struct as plain JSON values. Equal ones give equal values: a float field set to 0 becomes 0.0."""

    def plain(values: Any) -> Any:
        # asdict sees defaults that msgspec left to the class, which its encoder does not.
        fields = values if isinstance(values, dict | msgspec.Struct) else dataclasses.asdict(values)
        return msgspec.json.decode(msgspec.json.encode(fields))

    return cast(dict[str, Any], plain(msgspec.convert(plain(typed), type(typed))))


def from_dict(kind: type[T], values: Any, *, where: str, text: bool = False) -> T:
    """The dataclass or struct that plain values describe: the inverse of `to_dict`, for untrusted values.

    Args:
        kind: its types are checked strictly (a bool is no int, but an int is a float), within the limits that
            `Annotated[..., msgspec.Meta(...)]` and `__post_init__` set.
        values: what `parse_json` returned.
        where: the file, for messages.
        text: whether numbers are given as texts, as in a CSV file.

    Raises `UserError`, one line that names `where` and the field.
    """
    try:
        made = msgspec.convert(values, kind, strict=not text)
    except (msgspec.ValidationError, UserError) as error:  # the latter from __post_init__
        line = str(error)  # it may name an unknown field, of any length
        raise UserError(f"{where}: {line if len(line) <= 1000 else f'{line[:500]}…{line[-300:]}'}") from None
    if unknown := next(_list_unknown_fields(values, made), None):
        raise UserError(f"{where} has the unknown field {show_value(unknown)}: another version of prematch wrote it")
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


def with_checksum(values: dict[str, Any]) -> dict[str, Any]:
    """The values, and the checksum of them all as the last field."""
    return {**values, "checksum": checksum(values)}


def without_checksum(values: Any, *, where: str) -> dict[str, Any]:
    """The inverse of `with_checksum`. Raises `UserError` that names `where` if the values do not have it."""
    if not isinstance(values, dict):
        raise UserError(f"{where} must be a JSON object, got {show_value(values)}")
    own = {name: value for name, value in values.items() if name != "checksum"}
    try:
        expected = checksum(own)
    except RecursionError:
        raise UserError(f"{where} is nested too deeply") from None
    if values.get("checksum") != expected:
        stated = show_value(values.get("checksum"))
        raise UserError(f"{where} was altered: its checksum is {expected}, and it states {stated}")
    return own


def _list_unknown_fields(values: Any, made: Any, path: str = "") -> Iterator[str]:
    """Fields in the values that dataclasses lack; structs refuse theirs by themselves."""
    if dataclasses.is_dataclass(made):
        names = {field.name for field in dataclasses.fields(made)}
        yield from (f"{path}{name}" for name in sorted(set(values) - names))
        for name in names & set(values):
            yield from _list_unknown_fields(values[name], getattr(made, name), f"{path}{name}.")
    elif isinstance(made, msgspec.Struct):
        for name in set(made.__struct_fields__) & set(values):
            yield from _list_unknown_fields(values[name], getattr(made, name), f"{path}{name}.")
    elif isinstance(made, tuple):
        for index, (value, one) in enumerate(zip(values, made, strict=True)):
            yield from _list_unknown_fields(value, one, f"{path}{index}.")
