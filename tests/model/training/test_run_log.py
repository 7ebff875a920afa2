"""Lines of history.csv: typed, or one line that names the column; and drawing, which never stops a training."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.detection.coco import DetectedImage
from model.distribution.workers import Rank
from model.training import run_log
from model.training.run_folder import RunFolder
from model.training.run_log import COLUMNS, EpochRow, RunLog, parse_rows, read_history
from pipeline.errors import UserError
from tests.model import tiny

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
        ((FIRST.replace("1,3", "one,3"),), "line 2: Expected `int`, got `str` - at `$.epoch`"),
        ((FIRST.replace("1,3", "0,3"),), "line 2: Expected `int` >= 1 - at `$.epoch`"),
        ((FIRST.replace("1,3", "-1,3"),), "line 2: Expected `int` >= 1 - at `$.epoch`"),
        ((FIRST.replace("1,3", ",3"),), "line 2: Expected `int`, got `null` - at `$.epoch`"),
        ((FIRST.replace("1,3", f"{10**300},3"),), "line 2: Expected `int` <= 1000000000000000 - at `$.epoch`"),
        ((FIRST.replace("2.5", "nan"),), "line 2: Expected `float` >= -1e+38 - at `$.loss`"),
        ((FIRST.replace("2.5", "inf"),), "line 2: Expected `float` <= 1e+38 - at `$.loss`"),
        ((FIRST.replace("2.5", "1e300"),), "line 2: Expected `float` <= 1e+38 - at `$.loss`"),
        ((FIRST, SECOND.replace("0.5,0.75", "1.5,0.75")), "line 3: Expected `float` <= 1.0 - at `$.AP`"),
        ((FIRST, FIRST), "line 3: epoch must be above 1, got 1"),
        ((FIRST + ",1",), "line 2 must have 13 values"),
        (("1,3",), "line 2 must have 13 values"),
        (("\0" + FIRST,), "line 2: Expected `int`, got `str` - at `$.epoch`"),
    ],
)
def test_a_line_that_cannot_be_is_named(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(*lines)
    assert str(refused.value).startswith(f"history.csv: {message}") and "\n" not in str(refused.value)


def test_another_column_or_a_missing_one_is_named() -> None:
    with pytest.raises(UserError, match=r"^history.csv: line 2 has the unknown field 'more'"):
        parse(FIRST + ",1", columns=",".join([*COLUMNS, "more"]))
    with pytest.raises(UserError, match=r"^history.csv: line 2: Object missing required field `epoch`"):
        parse("3", columns="step")


WAY_OUT = "; choose another --run, or remove the file: then the curves start again"


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as refused:
        read_history(path)
    return str(refused.value)


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []


def test_a_file_too_large_for_a_history_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.touch()
    os.truncate(path, 1 << 40)
    assert refusal(path) == f"{path} must have at most {1 << 26} bytes, got {1 << 40}{WAY_OUT}"


def test_a_folder_and_a_loop_of_links_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} must be a regular file, got a folder{WAY_OUT}"
    loop = tmp_path / "history.csv"
    loop.symlink_to(loop)
    assert refusal(loop) == f"{loop} cannot be read: Too many levels of symbolic links{WAY_OUT}"


def test_something_else_than_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(b"\xff")
    message = refusal(path)
    assert message.startswith(f"{path} is no table of epochs (") and message.endswith(WAY_OUT)


def test_drawing_never_stops_a_training_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box = np.array([[0.25, 0.25, 0.75, 0.75]], np.float32)
    image = DetectedImage(
        "val/1/0", np.zeros((64, 64, 3), np.uint8), box, np.array([0]), box, np.array([0]), np.ones(1, np.float32)
    )
    folder = RunFolder(tmp_path)
    log = RunLog(folder, tiny.CONFIG.training, [], class_names=("US$1_$5",), rank=Rank())
    log.rows = parse(FIRST)
    log.draw([image])
    before = folder.loss_image.read_bytes(), folder.val_image.read_bytes()

    def fail(*_: Any) -> bytes:
        raise UserError("images cannot be drawn (ValueError: why)")

    monkeypatch.setattr(run_log, "draw_detections", fail)
    log.draw([image])
    log.draw([image])
    assert capsys.readouterr().out == "images cannot be drawn (ValueError: why); training continues\n"
    assert (folder.loss_image.read_bytes(), folder.val_image.read_bytes()) == before
