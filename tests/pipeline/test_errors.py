"""How a command ends: one line on standard error, whatever happened."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError, counted, disk_error, printable, require, require_between, shown

_COMMAND = """
import sys
from pipeline.errors import UserError, run_command

def main():
    {body}

run_command(main)
"""


def run(tmp_path: Path, body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with that body, and a temporary folder of its own."""
    (tmp_path / "command.py").write_text(_COMMAND.format(body=body))
    root = Path(__file__).resolve().parents[2]
    own = {"PYTHONPATH": str(root), "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"], **environment}
    command = [sys.executable, str(tmp_path / "command.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=own, cwd=tmp_path)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise UserError('records must be there')", "records must be there"),
        (r"raise UserError('key a\n\x1b[31mb\u202e')", r"key a\n\x1b[31mb\u202e"),
        ("raise KeyboardInterrupt", "interrupted; run the same command again to go on"),
        ("open('command.py/x')", "command.py/x must be a folder, or not there yet, got a file"),
        ("open('.')", ". must be a file, got a folder"),
        ("raise FileExistsError('it is there')", "it is there"),
        ("raise OSError(28, 'No space left on device', '/data/x')",
         "cannot write /data/x: no space left; free some space or choose another folder"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(body: str, line: str, tmp_path: Path) -> None:
    done = run(tmp_path, body)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")


def test_an_error_that_nobody_foresaw_is_one_line_and_its_traceback_a_file(tmp_path: Path) -> None:
    done = run(tmp_path, r"raise LookupError('first\tline\nsecond line')")
    (log,) = tmp_path.glob("prematch-*.log")
    line = rf"the command failed unexpectedly: LookupError: first\tline; the traceback is in {log}"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {line}\n")
    assert "Traceback (most recent call last)" in log.read_text() and "second line" in log.read_text()


def test_the_traceback_is_shown_where_no_file_can_be_written(tmp_path: Path) -> None:
    body = "import tempfile; tempfile.tempdir = '/dev/null/none'; raise LookupError"
    done = run(tmp_path, body)
    *before, last = done.stderr.splitlines()
    assert (
        done.returncode == 1 and last == "error: the command failed unexpectedly: LookupError; its traceback is above"
    )
    assert before[0] == "Traceback (most recent call last):"


def test_tracebacks_are_shown_when_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "raise UserError('it is wrong')", PREMATCH_TRACEBACK="1")
    assert done.returncode == 1 and done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.splitlines()[-1] == "error: it is wrong"


def test_an_exit_status_stays_what_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, "sys.exit(7)")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize(
    ("argument", "said"), [("--no_such=1", "no_such"), ("x\x1b", r"'x\x1b'"), ("--v=\x1b", r"\x1b")]
)
def test_flags_that_are_wrong_are_one_line(argument: str, said: str, tmp_path: Path) -> None:
    done = run(tmp_path, "pass", argument)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert said in done.stderr and "\x1b" not in done.stderr and done.stderr.endswith("see --help\n")


def test_printable_text_stays_and_everything_else_is_escaped() -> None:
    for text in ("", "plain", "dög 犬\u3000猫\u00a0", r"C:\new", "$1_$5"):
        assert printable(text) == text
    assert printable("a\0b\r\n\t\x7f\x9b\u2028\ud800") == r"a\x00b\r\n\t\x7f\x9b\u2028\ud800"
    assert printable(printable("\x1b]0;title\x07")) == printable("\x1b]0;title\x07") == r"\x1b]0;title\x07"


def test_a_count_agrees_with_its_noun() -> None:
    assert [counted(n, "image") for n in (0, 1, 1234)] == ["0 images", "1 image", "1,234 images"]
    assert [counted(n, "box") for n in (0, 1, 2)] == ["0 boxes", "1 box", "2 boxes"]


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
    assert shown([[1, "a"], {"b": None}]) == "[[1, 'a'], {'b': None}]"
    nested: object = "x" * 1_000
    for _ in range(8):
        nested = [nested] * 6
    for value in (nested, {n: nested for n in range(9)}, [["x" * 1_000] * 6] * 6, "x" * 10**6):
        assert len(shown(value)) <= 301
    assert shown([["x" * 90] * 6] * 6).endswith("x…") and shown([[[1]]]) == "[[[...]]]"


def test_only_errors_of_the_disk_are_told_as_such() -> None:
    assert disk_error(OSError(2, "No such file or directory", "x")) is None
    assert disk_error(OSError("no number")) is None


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
    assert str(disk_error(OSError(number, "", "x"))) == f"cannot {said}"
    assert str(disk_error(OSError(number, ""))) == f"cannot {said.replace(' x', '')}"
