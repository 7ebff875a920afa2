"""How the cluster's commands end."""

import errno
from pathlib import Path

import pytest

from cluster.errors import run_with_log_lines
from cluster.jars import jars_folder
from pipeline.errors import UserError


def failing(error: BaseException) -> None:
    raise error


def test_a_command_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with_log_lines(lambda: None) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "printed"),
    [
        (UserError("port 1\x1b[2J"), "port 1\\x1b[2J"),
        (UserError("ended; its last lines:\n  at\tmain"), "ended; its last lines:\n  at    main"),
        (OSError("a\nb"), "a\\nb"),
        (
            OSError(errno.ENOSPC, "", "a\nb"),
            "cannot write a\\nb: no space left; free some space or choose another folder",
        ),
        (FileExistsError(errno.EEXIST, "", "here"), "here must be a folder, or not there yet, got a file"),
        (KeyboardInterrupt(), "interrupted; `make cluster-down` stops what was started"),
    ],
)
def test_an_error_is_printed_without_a_traceback(
    error: BaseException, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with_log_lines(lambda: failing(error)) == 1
    assert capsys.readouterr().err == f"error: {printed}\n"


def test_tracebacks_are_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREMATCH_TRACEBACK", "1")
    assert run_with_log_lines(lambda: failing(UserError("it is wrong"))) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):") and printed.endswith("\nerror: it is wrong\n")


def test_a_missing_home_folder_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("PREMATCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    folders: list[Path] = []
    assert run_with_log_lines(lambda: folders.append(jars_folder())) == 1
    assert "this user has no home folder; set PREMATCH_CACHE" in capsys.readouterr().err
