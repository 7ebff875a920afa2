"""Typed JSON: read strictly, the same after a trip, and never taken for what another version or anybody else wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pipeline.errors import UserError, require
from pipeline.typed_json import (
    JSON_BYTES,
    MAX_COUNT,
    MAX_PATH,
    MAX_TEXT,
    Count,
    FileName,
    Fingerprint,
    Name,
    PathText,
    Sha256,
    Text,
    canonical_json,
    checksum,
    from_dict,
    parse_json,
    to_dict,
    with_checksum,
    without_checksum,
)


@dataclass(frozen=True)
class Part:
    share: float = 1.0

    def __post_init__(self) -> None:
        require(self.share <= 1, "part.share", "at most 1", self.share)


class Red(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="red"):
    part: Part | None = None


class Blue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="blue"):
    depth: int


@dataclass(frozen=True)
class Settings:
    name: str
    colour: Red | Blue
    count: int = 0
    pair: tuple[int, int] = (1, 2)
    parts: tuple[Part, ...] = ()
    on: bool = False
    limit: int | None = None


SETTINGS = Settings("a", Red(Part(0.5)), parts=(Part(), Part(0)))
VALUES: dict[str, Any] = {
    "name": "a",
    "colour": {"kind": "red", "part": {"share": 0.5}},
    "count": 0,
    "pair": [1, 2],
    "parts": [{"share": 1.0}, {"share": 0.0}],
    "on": False,
    "limit": None,
}


def values_with(*path: str | int, value: Any) -> dict[str, Any]:
    values = json.loads(json.dumps(VALUES))
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return dict(values)


def test_what_is_written_is_read() -> None:
    assert to_dict(SETTINGS) == VALUES
    assert from_dict(Settings, json.loads(json.dumps(VALUES)), where="run.json") == SETTINGS
    assert to_dict(Blue(3)) == {"kind": "blue", "depth": 3} and from_dict(Red, {"kind": "red"}, where="x") == Red()


def test_a_field_with_a_default_may_be_missing_and_another_may_not() -> None:
    assert from_dict(Settings, {"name": "a", "colour": {"kind": "red"}}, where="x") == Settings("a", Red())
    with pytest.raises(UserError, match=r"^run\.json: Object missing required field `name`$"):
        from_dict(Settings, {"colour": {"kind": "red"}}, where="run.json")
    with pytest.raises(UserError, match=r"^run\.json: Object missing required field `depth` - at `\$\.colour`$"):
        from_dict(Settings, values_with("colour", value={"kind": "blue"}), where="run.json")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("count",), "0", "Expected `int`, got `str` - at `$.count`"),
        (("count",), True, "Expected `int`, got `bool` - at `$.count`"),
        (("count",), 1.5, "Expected `int`, got `float` - at `$.count`"),
        (("count",), None, "Expected `int`, got `null` - at `$.count`"),
        (("on",), 1, "Expected `bool`, got `int` - at `$.on`"),
        (("limit",), "all", "Expected `int | null`, got `str` - at `$.limit`"),
        (("pair",), [64], "Expected `array` of length 2, got 1 - at `$.pair`"),
        (("pair",), 64, "Expected `array`, got `int` - at `$.pair`"),
        (("parts", 1, "share"), "0.9", "Expected `float`, got `str` - at `$.parts[1].share`"),
        (("parts", 1), [], "Expected `object`, got `array` - at `$.parts[1]`"),
        (("parts", 1, "share"), 2, "part.share must be at most 1, got 2.0"),
        (("colour",), None, "Expected `object`, got `null` - at `$.colour`"),
        (("colour", "kind"), "green", "Invalid value 'green' - at `$.colour.kind`"),
        (("colour", "more"), 1, "Object contains unknown field `more` - at `$.colour`"),
    ],
)
def test_values_of_another_type_are_named(path: tuple[str | int, ...], value: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        from_dict(Settings, values_with(*path, value=value), where="run.json")
    assert str(error.value) == f"run.json: {message}"


@pytest.mark.parametrize("path", [("more",), ("parts", 1, "more"), ("colour", "part", "more")])
def test_an_unknown_field_is_named_however_deep_it_lies(path: tuple[str | int, ...]) -> None:
    named = ".".join(map(str, path))
    expected = f"^run.json has the unknown field '{named}': another version of prematch wrote it$"
    with pytest.raises(UserError, match=expected):
        from_dict(Settings, values_with(*path, value=1), where="run.json")


def test_numbers_may_be_texts_where_the_caller_says_so() -> None:
    assert from_dict(Part, {"share": "0.25"}, where="table.csv", text=True) == Part(0.25)
    with pytest.raises(UserError, match=r"^table\.csv: Expected `float`, got `str` - at `\$\.share`$"):
        from_dict(Part, {"share": "a quarter"}, where="table.csv", text=True)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Count, [0, MAX_COUNT], [-1, MAX_COUNT + 1, 1.0]),
        (Text, ["", "ü" * MAX_TEXT], ["a" * (MAX_TEXT + 1), "a\n", "\x00", "\x85", "\u2028", "\ud800"]),
        (Name, ["a b", "a" * MAX_TEXT], ["", "a" * (MAX_TEXT + 1), "a\nb", "\x7f"]),
        (PathText, ["/a\nb/ü", "a" * MAX_PATH], ["", "a\x00", "a" * (MAX_PATH + 1)]),
        (FileName, ["a-b_c.0", "a" * 255], ["", "a/b", "a\n", "ü", "a" * 256]),
        (Sha256, ["0123456789abcdef" * 4], ["0" * 63, "0" * 65, "G" + "0" * 63, "A" * 64]),
        (Fingerprint, ["0", "f" * 64], ["", "f" * 65, "g", "f\n"]),
    ],
    ids=["count", "text", "name", "path", "file name", "sha-256", "fingerprint"],
)
def test_a_type_has_its_limits(kind: Any, good: list[Any], bad: list[Any]) -> None:
    assert [from_dict(kind, value, where="x") for value in good] == good
    for value in bad:
        with pytest.raises(UserError, match=r"^x: Expected [^\n]*$"):
            from_dict(kind, value, where="x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not valid JSON: "),
        (b"{", "is not valid JSON: "),
        (b'{"a": NaN}', "is not valid JSON: "),
        (b'{"a": Infinity}', "is not valid JSON: "),
        (b'"\xff"', "is not valid JSON: "),
        (b"[" * 100_000, "is nested too deeply$"),
        (b" " * (JSON_BYTES + 1), f"must have at most {JSON_BYTES} bytes, got {JSON_BYTES + 1}$"),
    ],
    ids=["nothing", "half", "NaN", "infinity", "no UTF-8", "deep", "large"],
)
def test_what_is_not_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^run.json {message}"):
        parse_json(data, where="run.json")
    assert parse_json('{"a": [1, 2.5, "ü", null]}'.encode(), where="run.json") == {"a": [1, 2.5, "ü", None]}


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "ü"}) == '{"a":"\\u00fc","b":[1,2.5]}'
    assert checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1}) != checksum({"a": 1, "b": 3})


def test_a_checksum_goes_on_and_comes_off() -> None:
    sealed = with_checksum(VALUES)
    assert list(sealed)[-1] == "checksum" and sealed["checksum"] == checksum(VALUES)
    assert without_checksum(json.loads(json.dumps(sealed)), where="run.json") == VALUES


def test_what_was_altered_is_refused() -> None:
    sealed = with_checksum(VALUES)
    for altered in ({**sealed, "count": 1}, {**sealed, "more": 1}, {**sealed, "checksum": "0" * 64}, VALUES):
        with pytest.raises(UserError, match=r"^run\.json was altered: its checksum is [0-9a-f]{64}, and it states "):
            without_checksum(altered, where="run.json")
    others: list[Any] = [[], "text", None]
    for other in others:
        with pytest.raises(UserError, match=r"^run\.json must be a JSON object, got "):
            without_checksum(other, where="run.json")
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserError, match=r"^run\.json is nested too deeply$"):
        without_checksum({"deep": deep}, where="run.json")
