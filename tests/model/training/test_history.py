"""A history.csv that cannot be read is named, with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.training.history import read_history
from pipeline.errors import UserError

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
    assert message.startswith(f"{path} must be a table of epochs, got something else (") and message.endswith(WAY_OUT)
