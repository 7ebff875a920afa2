"""Makes an environment from a lock file, and the lock files from setup.py.

A stamp, written last, holds the checksums of an environment's inputs. If it is missing or differs, the environment is
made from scratch, so an unfinished one is never used. Uses only the standard library: nothing is installed yet.
"""

from __future__ import annotations

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
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STAMP = "complete.json"
NEEDED_GB = {"default": 4, "gpu": 10, "addons": 4}  # environment, plus room for pip's unpacking
# What the user's own environment must be able to import; these bring the rest with them.
MODULES = (
    "apache_beam cv2 faster_coco_eval google_crc32c matplotlib msgspec pycocotools pytest sklearn tensorflow tqdm xdist"
)
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
EXTRAS = {  # of each lock; the locks of one TensorFlow hold the same versions
    "default": ["--extra=train"],
    "gpu": ["--extra=train", "--extra=gpu", "--constraint=requirements/default.lock"],
    "addons": ["--extra=addons"],
}


class SetupError(Exception):
    """A problem that stops the set-up. The message is one line and says what to do."""


def lock_file(name: str) -> Path:
    """The file that names every package of an environment, with hashes."""
    return PROJECT / "requirements" / f"{name}.lock"


def require_modules(folder: Path, stack: str) -> None:
    """Checks the user's own environment, whose Python runs this. Nothing is ever installed into it.

    Raises `SetupError` if it lacks something.
    """
    missing = [module for module in MODULES.split() if importlib.util.find_spec(module) is None]
    if missing:
        raise SetupError(
            f"VENV={folder} lacks {', '.join(missing)}; install {lock_file(stack)} there, or leave VENV out"
        )


def make_environment(folder: Path, *, stack: str, gpu: str) -> None:
    """Brings the environment of a stack up to date, with this Python.

    Args:
        folder: of the environment.
        stack: "default" or "addons".
        gpu: with CUDA libraries: "1", "0", or "" for as it is.

    Raises `SetupError` if that fails.
    """
    stamp = folder / STAMP
    installed = read_stamp(stamp)
    if stack == "default" and (gpu == "1" or (gpu == "" and installed.get("lock") == "gpu")):
        stack = "gpu"  # the same versions with the CUDA libraries, which stay until GPU=0
    wanted = {
        "lock": stack,
        "packages": checksum(lock_file(stack)),
        "project": checksum(PROJECT / "setup.py", PROJECT / "pyproject.toml"),
        "python": "{}.{}".format(*sys.version_info[:2]),
    }
    if installed == wanted:
        return
    with only_one(folder) as busy:
        installed = read_stamp(stamp)
        if installed == wanted:  # another set-up has done it meanwhile
            return
        stamp.unlink(missing_ok=True)
        steps = Steps(folder, lock=lock_file(stack), busy=busy)
        if {**installed, "project": wanted["project"]} != wanted:
            steps.make_empty()
            # Each file checked against its hash. Wheels only: nothing is compiled.
            wheels = ["--progress-bar=off", "--no-deps", "--only-binary=:all:", "--require-hashes"]
            steps.install("the packages", *wheels, "--requirement", str(lock_file(stack)))
        # Its requirements are there already, so this needs no network.
        offline = ["--no-index", "--no-deps", "--no-build-isolation"]
        steps.install("the project", *offline, "--editable", str(PROJECT))
        part = stamp.with_suffix(".part")
        part.write_text(json.dumps(wanted, indent=2) + "\n")
        part.rename(stamp)
    print(f"setup: {folder} is complete ({stack}.lock, Python {wanted['python']})", flush=True)


def checksum(*files: Path) -> str:
    """SHA-256, in hex, of the contents of several files."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def read_stamp(stamp: Path) -> dict[str, str]:
    """A stamp's values; none if its environment is missing or unfinished."""
    try:
        values = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) and (stamp.parent / "bin/python").exists() else {}


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Waits for any other set-up of this folder, and for a pip that outlived its set-up. Yields the lock's file."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.busy").open("w") as busy:
        try:
            fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"setup: waiting for another set-up of {folder}", flush=True)
            fcntl.flock(busy, fcntl.LOCK_EX)
        yield busy.fileno()


class Steps:
    """The steps of one set-up. Their output goes to a log beside the environment."""

    def __init__(self, folder: Path, *, lock: Path, busy: int) -> None:
        self.folder = folder
        self.lock = lock
        self.busy = busy  # steps keep it open, so that the next set-up waits for them too
        self.log = folder.with_name(f"{folder.name}.log")

    def make_empty(self) -> None:
        """Makes an environment with nothing but pip in it."""
        self.log.write_text("")
        if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode:
            package = "python{}.{}-venv".format(*sys.version_info[:2])
            raise SetupError(
                f"{sys.executable} has no venv module; install it (on Debian and Ubuntu: apt-get install"
                f" {package} or python3-venv), or name another Python with PYTHON=/path/to/python"
            )
        self.run("the environment", [sys.executable, "-m", "venv", "--clear", str(self.folder)])
        free, needed = self.free_gb(), NEEDED_GB[self.lock.stem]
        if free < needed:
            raise SetupError(
                f"{self.folder} needs {needed:g} GB, but its disk has {free:.1f} GB free; free some space,"
                " or name an environment of your own with VENV=/path/to/environment"
            )

    def install(self, what: str, *arguments: str) -> None:
        """Runs `pip install` in the environment."""
        self.run(what, [str(self.folder / "bin/python"), "-m", "pip", "install", *arguments])

    def free_gb(self) -> float:
        return shutil.disk_usage(self.folder.parent).free / 1e9

    def run(self, what: str, command: Sequence[str]) -> None:
        """Runs one step. On a terminal its progress is one line. Raises `SetupError` that says why it failed."""
        print(f"setup: installing {what} ...", flush=True)
        output = ""
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
                pass_fds=[self.busy],
            )
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                output += line
                if sys.stdout.isatty():
                    print(f"\r\033[K{line.strip()[:78]}", end="", flush=True)
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
        if process.wait():
            raise SetupError(f"{what} could not be installed: {self.explain(output)} (see {self.log})")

    def explain(self, output: str) -> str:
        """Why a step failed and what to do, from what it printed."""
        if self.free_gb() < 0.1:  # `python -m venv` hides ensurepip's own message about it
            output += os.strerror(errno.ENOSPC)
        for pattern, reason in REASONS.items():
            if re.search(pattern, output):
                return reason.format(folder=self.folder, lock=self.lock.name)
        lines = output.strip().splitlines() or ["no output"]
        errors = [line for line in lines if line.startswith(("ERROR:", "Error:"))]
        return (errors or lines)[-1].removeprefix("ERROR: ")


def make_locks(*, upgrade: bool) -> None:
    """Resolves the extras of setup.py to requirements/*.lock: with hashes, for every supported Python.

    Without `upgrade`, versions that are in the locks stay as long as setup.py allows them. Raises `SetupError` if a
    step fails.
    """
    with tempfile.TemporaryDirectory() as folder:

        def step(what: str, *command: str) -> None:
            print(f"lock: {what}", flush=True)
            if subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL).returncode:
                raise SetupError(f"{what} failed; the lines above say why")

        step("a throw-away environment", sys.executable, "-m", "venv", folder)
        step("uv in it", f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "uv==0.13.9")
        options = "--extra=digits --extra=dev --universal --python-version=3.10 --generate-hashes --no-header --quiet"
        for name, extras in EXTRAS.items():
            out = f"requirements/{name}.lock"
            renewed = ["--upgrade"] if upgrade else []
            compile_ = [f"{folder}/bin/uv", "pip", "compile", "setup.py", *options.split(), *extras, *renewed]
            step(out, *compile_, f"--output-file={out}")
