"""Runs the project's commands in tests, as users run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0  # seconds; only a command that hangs takes as long
Environment = Mapping[str, str | None]  # added to the environment; None takes a variable out of it
_BAR = re.compile(r"[\w ]+: +\d+%\|")

# Imports modules once, then runs a module's `main` for each list of flags in a copy of this process.
_RUN_EACH = """
import importlib, json, os, runpy, sys, tempfile
module, imports, runs = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
for name in imports:
    importlib.import_module(name)
for flags in runs:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = [module, *flags]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        print(json.dumps([status, out.read(), err.read()]))
"""


def _environment(changes: Environment | None) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **(changes or {})}.items() if value is not None}


def run_module(module: str, *flags: str, env: Environment | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `python -m module` to its end."""
    return run_python("-m", module, *flags, env=env)


def run_python(
    *arguments: str, env: Environment | None = None, timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Runs Python at the root of the repository to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_each(
    module: str, runs: Sequence[Sequence[str]], *, imports: Sequence[str]
) -> list[subprocess.CompletedProcess[str]]:
    """Runs a module once for each list of flags. They share the time of importing `imports`, not any state."""
    done = run_python("-c", _RUN_EACH, module, json.dumps(imports), json.dumps(runs))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [subprocess.CompletedProcess(flags, *line) for flags, line in zip(runs, lines, strict=True)]


def start_module(
    module: str, *flags: str, env: Environment | None = None, background: bool = False
) -> subprocess.Popen[str]:
    """Starts `python -m module` in a process group of its own; in the background, a shell makes it ignore Ctrl-C."""
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if background else []
    return subprocess.Popen(
        [*shell, sys.executable, "-m", module, *flags],
        cwd=ROOT,
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Waits for the end of a command that was started."""
    printed = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, *printed)


def output(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that must succeed."""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a command printed that must fail, progress bars aside."""
    assert done.returncode == 1, f"exit status {done.returncode}:\n{done.stdout}\n{done.stderr}"
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line and not _BAR.match(line)]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0].removeprefix("error: ")


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Waits for a condition, looking every few milliseconds. Fails if the process ends first."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, f"the command ended too early:\n{finished(process)}"
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.002)
