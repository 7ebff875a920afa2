"""A copy of the Makefile and its scripts in a folder of its own, with stand-ins for what a machine may have or lack."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# PYTHONPATH puts these before the real modules: `python -m venv` and `python -m pip` do what a test asks for.
VENV = """
import os, sys
if __name__ == "__main__":
    if "VENV_FAILS" in os.environ:
        sys.exit(os.environ["VENV_FAILS"])
    python = os.path.join(sys.argv[-1], "bin", "python")
    os.makedirs(os.path.dirname(python), exist_ok=True)
    if not os.path.exists(python):
        os.symlink(os.path.realpath(sys.executable), python)
"""
PIP = """
import os, sys, time
with open(os.environ["PIP_CALLS"], "a") as calls:
    print(sys.argv[-1], file=calls)
print(os.environ.get("PIP_PRINTS", "Collecting absl-py==2.5.1"), flush=True)
while os.path.exists(os.environ.get("PIP_HANGS_WHILE", "")):
    time.sleep(0.02)
sys.exit(int(os.environ.get("PIP_EXITS", "0")))
"""
FREE_SPACE = """
import collections, os, shutil
Usage = collections.namedtuple("Usage", "total used free")
shutil.disk_usage = lambda path: Usage(0, 0, float(os.environ.get("FREE_GB", "100")) * 1e9)
"""


class Checkout:
    """The Makefile, the scripts and small locks in `folder`. `programs` is the only folder on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a checkout"
        self.programs = folder / "programs"
        self.calls = folder / "pip calls"
        self.commands = folder / "commands"
        self.modules = folder / "modules"
        for path in (self.folder / "requirements", self.programs, self.modules / "pip"):
            path.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("sh", "make", "awk"):
            (self.programs / name).symlink_to(shutil.which(name) or name)
        for name in ("Makefile", "setup.py", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("default", "gpu", "addons"):
            self.lock(name).write_text("absl-py==2.5.1 \\\n    --hash=sha256:" + "0" * 64 + "\n")
        (self.modules / "venv.py").write_text(VENV)
        (self.modules / "ensurepip.py").write_text("")
        (self.modules / "pip" / "__init__.py").write_text("")
        (self.modules / "pip" / "__main__.py").write_text(PIP)
        (self.modules / "sitecustomize.py").write_text(FREE_SPACE)
        self.environment = {
            "PATH": str(self.programs),
            "PYTHONPATH": str(self.modules),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_CALLS": str(self.calls),
        }

    def lock(self, name: str) -> Path:
        return self.folder / "requirements" / f"{name}.lock"

    def stamp(self, stack: str = "default") -> Path:
        return self.folder / ".venv" / stack / "complete.json"

    def pip_calls(self) -> list[str]:
        """What each call of pip was asked to install: a file's name, or `.` for the project."""
        if not self.calls.exists():
            return []
        targets = [Path(line) for line in self.calls.read_text().splitlines()]
        return ["." if target == self.folder else target.name for target in targets]

    def add_python(self, name: str, version: str) -> Path:
        """Adds a program that claims to be Python `version` and is otherwise the Python of the tests."""
        return self.add_program(
            name, f'case "$2" in *version_info*) echo {version} ;; *) exec "{sys.executable}" "$@" ;; esac'
        )

    def add_program(self, name: str, script: str) -> Path:
        """Puts a shell script of this name on PATH."""
        program = self.programs / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def start(self, *command: str, **variables: str) -> "subprocess.Popen[str]":
        """Starts a command in the checkout. Its environment holds `variables` and nothing of the caller's."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*command, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def make(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self.run("make", *arguments, **variables)


def complaint(result: "subprocess.CompletedProcess[str]") -> str:
    """The one line that a failed command printed; make's own line does not count."""
    assert result.returncode != 0, result.stdout
    lines = [line for line in result.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1, result.stderr
    return lines[0]
