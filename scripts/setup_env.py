"""Makes an environment from a lock file.

A stamp, written last, holds the checksums of the inputs. If it is missing or differs, the environment is made from
scratch, so an unfinished one is never used. Uses only the standard library, because nothing is installed yet.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STAMP = "complete.json"
NEEDED_GB = {"default": 4, "gpu": 10, "addons": 4}  # environment, plus room for pip's unpacking
# What the user's own environment must be able to import; these bring the rest with them.
MODULES = [
    "apache_beam",
    "cv2",
    "faster_coco_eval",
    "google_crc32c",
    "matplotlib",
    "msgspec",
    "pycocotools",
    "pytest",
    "sklearn",
    "tensorflow",
    "tqdm",
    "xdist",
]
REASONS = {  # a pattern in the output of a step that failed, and what the user is told
    r"No space left on device|Errno 28\b|Disk quota exceeded": (
        "no space left on the disk of {folder} or of TMPDIR; free some space and run this again"
    ),
    r"DO NOT MATCH THE HASHES": "a downloaded file is not the one that {lock} names; run this again",
    r"Max retries exceeded|NewConnectionError|Connect(?:ion)?Timeout|ReadTimeout|ProxyError|SSLError"
    r"|Connection (?:refused|reset)|Network is unreachable|name resolution|connection broken": (
        "the package registry cannot be reached; check the network, the proxy and pip's settings"
    ),
    r"\(from versions: none\)": (
        "the package registry does not answer, or has nothing for this machine; check the network"
    ),
}


class SetupError(Exception):
    """A problem that stops the set-up. The message is one line and says what to do."""


def checksum(*files: Path) -> str:
    """SHA-256, in hex, of the contents of several files."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


class Environment:
    """An environment's folder and the lock that it is made from."""

    def __init__(self, *, folder: Path, stack: str, gpu: str) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.log = folder.with_name(f"{folder.name}.log")
        self.installed = self.read_stamp()
        if stack == "default" and (gpu == "1" or (gpu == "" and self.installed.get("lock") == "gpu")):
            stack = "gpu"  # the same versions with the CUDA libraries, which stay until GPU=0
        self.lock = PROJECT / "requirements" / f"{stack}.lock"
        self.wanted = {
            "lock": stack,
            "packages": checksum(self.lock),
            "project": checksum(PROJECT / "setup.py", PROJECT / "pyproject.toml"),
            "python": "{}.{}".format(*sys.version_info[:2]),
        }

    def read_stamp(self) -> dict[str, str]:
        """The stamp's values; none if the environment is missing or unfinished."""
        try:
            stamp = json.loads((self.folder / STAMP).read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) and self.python.exists() else {}

    def make(self) -> None:
        """Brings the environment up to date. Raises `SetupError` if that fails."""
        if self.installed == self.wanted:
            return
        with self.alone():
            self.installed = self.read_stamp()
            if self.installed == self.wanted:  # another set-up has done it meanwhile
                return
            (self.folder / STAMP).unlink(missing_ok=True)
            if {**self.installed, "project": self.wanted["project"]} != self.wanted:
                self.log.write_text("")
                self.create()
                self.install_packages()
            self.install_project()
            part = self.folder / f"{STAMP}.part"
            part.write_text(json.dumps(self.wanted, indent=2) + "\n")
            part.rename(self.folder / STAMP)
        lock, python = self.wanted["lock"], self.wanted["python"]
        print(f"setup: {self.folder} is complete ({lock}.lock, Python {python})")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits for any other set-up of this folder, and for a pip that outlived its set-up."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.busy").open("w") as self.busy:
            try:
                fcntl.flock(self.busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"setup: waiting for another set-up of {self.folder}", flush=True)
                fcntl.flock(self.busy, fcntl.LOCK_EX)
            yield

    def create(self) -> None:
        """Makes an empty environment with pip in it."""
        venv_modules = [sys.executable, "-c", "import ensurepip, venv"]
        if subprocess.run(venv_modules, capture_output=True).returncode:
            package = "python{}.{}-venv".format(*sys.version_info[:2])
            raise SetupError(
                f"{sys.executable} has no venv module; install it (on Debian and Ubuntu: apt-get install"
                f" {package} or python3-venv), or name another Python with PYTHON=/path/to/python"
            )
        self.run("the environment", [sys.executable, "-m", "venv", "--clear", str(self.folder)])
        self.require_space()

    def require_space(self) -> None:
        """Raises `SetupError` if the disk is too small for the environment."""
        free = self.free_gb()
        needed = NEEDED_GB[self.lock.stem]
        if free < needed:
            raise SetupError(
                f"{self.folder} needs {needed:g} GB, but its disk has {free:.1f} GB free; free some space,"
                " or name an environment of your own with VENV=/path/to/environment"
            )

    def free_gb(self) -> float:
        return shutil.disk_usage(self.folder.parent).free / 1e9

    def install_packages(self) -> None:
        """Installs everything in the lock, each file checked against its hash. Wheels only: nothing is compiled."""
        options = ["--progress-bar=off", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        self.pip("the packages", *options, "--requirement", str(self.lock))

    def install_project(self) -> None:
        """Installs the checkout itself, editable. Its requirements are there already, so this needs no network."""
        options = ["--no-index", "--no-deps", "--no-build-isolation"]
        self.pip("the project", *options, "--editable", str(PROJECT))

    def pip(self, what: str, *arguments: str) -> None:
        """Runs `pip install` in the environment."""
        self.run(what, [str(self.python), "-m", "pip", "install", *arguments])

    def run(self, what: str, command: list[str]) -> None:
        """Runs one step. Its output goes to the log; a terminal shows its progress."""
        start = self.log.stat().st_size if self.log.exists() else 0
        print(f"setup: installing {what} ...", flush=True)
        expected = len(re.findall(r"^\S+==", self.lock.read_text(), re.MULTILINE))
        collected = 0
        with self.log.open("a") as log:
            print("$", *command, file=log, flush=True)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=[self.busy.fileno()],
            )
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    log.write(line)
                    if line.startswith("Collecting "):
                        collected += 1
                        package = line.split()[1].partition("==")[0]
                        show_progress(f"fetching {collected}/{expected}: {package}")
                    elif line.startswith("Installing collected"):
                        show_progress("unpacking")
            show_progress("")
        if process.wait():
            with self.log.open(errors="replace") as log:
                log.seek(start)
                why = self.explain(log.read())
            raise SetupError(f"{what} could not be installed: {why} (see {self.log})")

    def explain(self, output: str) -> str:
        """Says why a step failed and what to do, from what it printed."""
        if self.free_gb() < 0.1:  # `python -m venv` hides ensurepip's own message about it
            output += os.strerror(errno.ENOSPC)
        for pattern, reason in REASONS.items():
            if re.search(pattern, output):
                return reason.format(folder=self.folder, lock=self.lock.name)
        errors = [line for line in output.splitlines() if line.startswith(("ERROR:", "Error:"))]
        last_line = (output.strip().splitlines() or ["no output"])[-1]
        return (errors or [last_line])[-1].removeprefix("ERROR: ")


def show_progress(text: str) -> None:
    """Overwrites the current line, on a terminal only."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text[:78]}", end="", flush=True)


def require_modules(folder: Path, lock: Path) -> None:
    """Raises `SetupError` if the user's own environment lacks something. Nothing is ever installed into it."""
    missing = [module for module in MODULES if importlib.util.find_spec(module) is None]
    if missing:
        raise SetupError(f"VENV={folder} lacks {', '.join(missing)}; install {lock} there, or leave VENV out")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the environment's folder")
    parser.add_argument("--stack", required=True, help="which requirements/*.lock")
    parser.add_argument("--gpu", choices=("1", "0", ""), default="", help="with CUDA libraries (empty: as it is)")
    parser.add_argument("--own", action="store_true", help="the user's own environment: check it, change nothing")
    options = parser.parse_args()
    try:
        if options.own:
            require_modules(options.folder, PROJECT / "requirements" / f"{options.stack}.lock")
        else:
            Environment(folder=options.folder, stack=options.stack, gpu=options.gpu).make()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        way_out = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        print(f"setup: {error.filename or options.folder}: {error.strerror}{way_out}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; the next run starts from scratch", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
