"""Lines of history.csv: typed, or one line that names the column."""

from __future__ import annotations

import csv
import io

import pytest

from model.training.epoch_row import COLUMNS, EpochRow, parse_rows
from pipeline.errors import UserError

FIRST = "1,3,0.001,2.5,2.0,0.5,,,,,1.25,96.0,0.01"
SECOND = "2,6,0.002,2.25,2.0,0.25,0.5,0.75,0.25,0.5,1.5,80.0,0.02"


def parse(*lines: str, columns: str = ",".join(COLUMNS)) -> list[EpochRow]:
    return parse_rows(csv.DictReader(io.StringIO("\n".join([columns, *lines]))), where="history.csv")


def test_lines_are_read_with_their_types() -> None:
    first, second = parse(FIRST, SECOND)
    assert (first.epoch, first.step, first.loss, first.AP) == (1, 3, 2.5, None)
    assert second == EpochRow(2, 6, 0.002, 2.25, 2.0, 0.25, 0.5, 0.75, 0.25, 0.5, 1.5, 80.0, 0.02)
    assert parse() == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((FIRST.replace("1,3", "one,3"),), "line 2: epoch must be of type int"),
        ((FIRST.replace("1,3", "0,3"),), "line 2: epoch must be of type int >= 1"),
        ((FIRST.replace("1,3", "-1,3"),), "line 2: epoch must be"),
        ((FIRST.replace("1,3", ",3"),), "line 2: epoch must be"),
        ((FIRST.replace("1,3", f"{10**300},3"),), "line 2: epoch must be"),
        ((FIRST.replace("2.5", "nan"),), "line 2: loss must be of type float >= -1e+38, got 'nan'"),
        ((FIRST.replace("2.5", "inf"),), "line 2: loss must be"),
        ((FIRST.replace("2.5", "1e300"),), "line 2: loss must be"),
        ((FIRST, SECOND.replace("0.5,0.75", "1.5,0.75")), "line 3: AP must be"),
        ((FIRST, FIRST), "line 3: epoch must be above 1, got 1"),
        ((FIRST + ",1",), "line 2 must have 13 values"),
        (("1,3",), "line 2 must have 13 values"),
        (("\0" + FIRST,), "line 2: epoch must be"),
    ],
)
def test_a_line_that_cannot_be_is_named(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(*lines)
    assert str(refused.value).startswith(f"history.csv: {message}") and "\n" not in str(refused.value)


def test_another_column_or_a_missing_one_is_named() -> None:
    with pytest.raises(UserError, match=r"^history.csv: line 2 must have no field 'more', got one"):
        parse(FIRST + ",1", columns=",".join([*COLUMNS, "more"]))
    with pytest.raises(UserError, match=r"^history.csv: line 2 must have the field epoch, got none"):
        parse("3", columns="step")
