"""Fetches a set of jars into the cache with Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.jars import JarSet, check_jars, jars_folder
from pipeline.errors import UserError

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def fetch(jars: JarSet) -> list[Path]:
    """Fetches a set unless it is cached, checks it against its lock, and returns the jars' paths.

    Raises `UserError` if the set cannot be downloaded, or a jar differs from the lock.
    """
    locked = jars.locked()
    if not jars.cached.exists():
        say(f"fetching the {len(locked)} jars of {jars.pom} ...")
        jars_folder().mkdir(parents=True, exist_ok=True)
        # Next to its final place, so that one rename puts the whole set there.
        with tempfile.TemporaryDirectory(dir=jars_folder(), prefix="fetching-") as folder:
            download(jars, Path(folder) / "jars")
            check_jars(Path(folder) / "jars", locked, "nothing of the set is used")
            if not jars.cached.exists():  # another command may have been faster
                os.rename(Path(folder) / "jars", jars.cached)
    check_jars(jars.cached, locked, f"delete {jars.cached} and run this again")
    return [jars.cached / name for name in locked]


def download(jars: JarSet, folder: Path) -> None:
    """Downloads the jars of the set's pom.xml into `folder` with Maven. Raises `UserError` if it fails."""
    if shutil.which("mvn") is None:
        raise UserError(
            f"Maven is needed for the jars of {jars.folder.name}, but `mvn` is not on PATH: install it (on Debian and "
            f"Ubuntu: apt-get install maven), or copy {jars.cached} from another machine"
        )
    # Strict: a jar that differs from the registry's checksum is an error, not a warning.
    options = ["--batch-mode", "--quiet", "--strict-checksums", f"--file={jars.pom}"]
    command = ["mvn", *options, _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode or not folder.exists():
        raise UserError(f"the jars of {jars.pom} could not be downloaded: {_reason(done.stdout + done.stderr)}")


def _reason(output: str) -> str:
    """The first error that Maven printed, without the registry's address."""
    if found := re.search(r"Could not find artifact (\S+)", output):
        return f"the registry has no {found.group(1)}"
    found = re.search(r"ERROR\S* (.+)", output)
    return re.sub(r"\(?https?://\S+", "", found.group(1)).strip() if found else "no reason given"


def say(line: str) -> None:
    """Prints progress on standard error; a command's standard output is its result."""
    print(line, file=sys.stderr, flush=True)
