"""Errors and messages: what is shown of values, files and counts."""

from __future__ import annotations

import errno

import pytest

from pipeline.errors import (
    UserError,
    find_disk_error,
    format_count,
    make_printable,
    require,
    require_between,
    show_value,
)


def test_printable_text_stays_and_everything_else_is_escaped() -> None:
    for text in ("", "plain", "dög 犬\u3000猫\u00a0", r"C:\new", "$1_$5"):
        assert make_printable(text) == text
    assert make_printable("a\0b\r\n\t\x7f\x9b\u2028\ud800") == r"a\x00b\r\n\t\x7f\x9b\u2028\ud800"
    assert (
        make_printable(make_printable("\x1b]0;title\x07")) == make_printable("\x1b]0;title\x07") == r"\x1b]0;title\x07"
    )


def test_a_count_agrees_with_its_noun() -> None:
    assert [format_count(n, "image") for n in (0, 1, 1234)] == ["0 images", "1 image", "1,234 images"]
    assert [format_count(n, "box") for n in (0, 1, 2)] == ["0 boxes", "1 box", "2 boxes"]


def test_values_out_of_range_are_named() -> None:
    require(True, "x", "right", 1)
    require_between("x", 1, 1, 1)
    for value in (0, 2, float("nan"), float("inf")):
        with pytest.raises(UserError, match=rf"^x must be from 1 to 1.5, got {value}$"):
            require_between("x", value, 1, 1.5)
    with pytest.raises(UserError) as refused:
        require(False, "x", "small", 10**4000)
    assert len(str(refused.value)) < 100


def test_values_are_shown_short_however_they_are_nested() -> None:
    """Lists in lists in lists gave lines of many megabytes."""
    assert show_value([[1, "a"], {"b": None}]) == "[[1, 'a'], {'b': None}]"
    nested: object = "x" * 1_000
    for _ in range(8):
        nested = [nested] * 6
    for value in (nested, {n: nested for n in range(9)}, [["x" * 1_000] * 6] * 6, "x" * 10**6):
        assert len(show_value(value)) <= 301
    assert show_value([["x" * 90] * 6] * 6).endswith("x…") and show_value([[[1]]]) == "[[[...]]]"


def test_only_errors_of_the_disk_are_told_as_such() -> None:
    assert find_disk_error(OSError(2, "No such file or directory", "x")) is None
    assert find_disk_error(OSError("no number")) is None


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "use x: permission denied; change its permissions or choose another folder"),
        (errno.EPERM, "use x: permission denied; change its permissions or choose another folder"),
        (errno.ENOSPC, "write x: no space left; free some space or choose another folder"),
        (errno.EDQUOT, "write x: disk quota exceeded; free some space or choose another folder"),
        (errno.EROFS, "write x: read-only file system; choose another folder"),
    ],
)
def test_an_error_of_the_disk_says_what_helps(number: int, said: str) -> None:
    assert str(find_disk_error(OSError(number, "", "x"))) == f"cannot {said}"
    assert str(find_disk_error(OSError(number, ""))) == f"cannot {said.replace(' x', '')}"
