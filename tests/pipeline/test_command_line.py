"""How a command is found by its name, what it prints first, and how it ends: one line, whatever happened."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.command_line import COMMANDS, make_variable
from tests.commands import ROOT, complaint, output, run_module, run_python

_COMMAND = """
import sys
from pipeline.command_line import run_command
from pipeline.errors import UserError

def main():
    {body}

run_command(main)
"""


def run(tmp_path: Path, body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with that body, and a temporary folder of its own."""
    (tmp_path / "command.py").write_text(_COMMAND.format(body=body))
    own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"], **environment}
    command = [sys.executable, str(tmp_path / "command.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=own, cwd=tmp_path)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise UserError('records must be there')", "records must be there"),
        (r"raise UserError('key a\n\x1b[31mb\u202e')", r"key a\n\x1b[31mb\u202e"),
        ("raise KeyboardInterrupt", "interrupted; run the same command again to go on"),
        ("open('command.py/x')", "command.py/x is a file, where a folder must be"),
        ("open('.')", ". is a folder, where a file must be"),
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


def prematch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the console script."""
    script = (
        "import sys; from pipeline.command_line import prematch; sys.argv = ['prematch', *sys.argv[1:]]; prematch()"
    )
    return run_python("-c", script, *arguments)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("help",)])
def test_prematch_lists_its_commands(arguments: tuple[str, ...]) -> None:
    listed = output(prematch(*arguments))
    assert all(f"\n  {name} " in listed for name in COMMANDS)


def test_every_command_is_a_module() -> None:
    assert all(find_spec(module) for module, _ in COMMANDS.values())


@pytest.mark.parametrize(("name", "nearest"), [("trian", "train"), ("--records=a", "records"), ("s\x1bhow", "show")])
def test_an_unknown_command_is_one_line_with_the_nearest_name(name: str, nearest: str) -> None:
    line = complaint(prematch(name))
    assert line.startswith("prematch has no command ") and line.endswith(f"is {nearest}; see prematch --help")


def test_a_package_that_is_not_installed_is_named() -> None:
    script = (
        "import sys; from importlib import metadata; from pipeline.command_line import prematch\n"
        "def none(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = none\n"
        "prematch()"
    )
    line = complaint(run_python("-c", script, "train"))
    assert line == "prematch train needs tensorflow, which is not installed; install prematch[train]"


def test_a_commands_help_names_its_own_flags() -> None:
    helped = prematch("verify", "--help")
    assert "--[no]full" in helped.stdout and "prematch verify --records=" in helped.stdout, helped.stderr


def test_the_first_line_repeats_the_command(tmp_path: Path) -> None:
    given = ["verify", f"--records={tmp_path}/it's a $set", "--full"]
    for done in (prematch(*given), run_module(COMMANDS["verify"][0], *given[1:])):
        assert complaint(done).startswith(f"{tmp_path}/it's a $set")
        assert shlex.split(done.stdout.splitlines()[0]) == ["prematch", *given]


def test_only_the_module_of_the_command_is_imported() -> None:
    script = (
        "import atexit, sys; from pipeline.command_line import prematch\n"
        "atexit.register(lambda: print(sorted({'tensorflow', 'apache_beam', 'model'} & set(sys.modules))))\n"
        "prematch()"
    )
    for arguments, loaded in ((["--help"], []), (["coverage", "--help"], ["apache_beam"])):
        assert run_python("-c", script, *arguments).stdout.splitlines()[-1] == str(loaded)


def test_a_plain_value_stays_plain() -> None:
    assert make_variable("RUN", "runs/a") == "RUN=runs/a"


@pytest.mark.parametrize("value", ["runs/a$b", "a b$c'", "$(shell touch ran)", "a$$b", "~/a", "#a", ""])
def test_a_value_is_quoted_for_the_shell_alone(value: str) -> None:
    """The Makefile takes it as it is: tests/setup/test_makefile.py."""
    assert shlex.split(make_variable("RUN", value)) == [f"RUN={value}"]
