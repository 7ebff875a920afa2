"""Sets of jars: a pom.xml that Maven resolves, a lock with the SHA-256 of every jar, and a copy in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.flink import LOGGING, OPENED_PACKAGES
from pipeline.errors import UserError
from pipeline.files import cache_folder, hash_file

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MAVEN = Path(__file__).with_name("maven")
_MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_WIDTH = 72  # bytes in a line of a manifest


@dataclass(frozen=True)
class JarSet:
    """The jars of one program, given by a folder with `pom.xml` and `jars.lock`."""

    folder: Path

    @property
    def pom(self) -> Path:
        """The file that Maven resolves."""
        return self.folder / "pom.xml"

    @property
    def lock(self) -> Path:
        """One line per jar, as `sha256sum` writes it."""
        return self.folder / "jars.lock"

    @property
    def cached(self) -> Path:
        """The folder of these jars in the cache, complete or missing. Each version of the lock has its own folder."""
        return jars_folder() / f"{self.folder.name}-{hash_file(self.lock)[:12]}"

    def locked(self) -> dict[str, str]:
        """The SHA-256 of each jar, by file name. Raises `UserError` that names a broken line of the lock."""
        jars = {}
        for number, line in enumerate(self.lock.read_text().splitlines(), start=1):
            found = re.fullmatch(r"([0-9a-f]{64})  ([\w.+-]+\.jar)", line)
            if found is None:
                raise UserError(f"{self.lock}:{number} must be `sha256  name.jar`, got {line!r}")
            jars[found.group(2)] = found.group(1)
        return jars


FLINK_JARS = JarSet(_MAVEN / "flink")  # for the JobManager and the TaskManagers
JOB_SERVER_JARS = JarSet(_MAVEN / "job-server")  # for Beam's job server, which sends its jobs' jars to Flink


def jars_folder() -> Path:
    """Where sets of jars are kept: `jars` in the cache folder."""
    return cache_folder() / "jars"


def check_jars(folder: Path, locked: Mapping[str, str], way_out: str) -> None:
    """Compares a folder of jars with a lock.

    Raises `UserError`, ending in `way_out`, for a jar that is missing, not in the lock, or has other bytes.
    """
    found = {path.name for path in folder.iterdir()}
    for name in sorted(found | locked.keys()):
        if name not in locked:
            raise UserError(f"{folder / name} is not in the lock: {way_out}")
        got = hash_file(folder / name) if name in found else "no file"
        if got != locked[name]:
            raise UserError(f"{folder / name} must have SHA-256 {locked[name]}, got {got}: {way_out}")


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


def write_lock(jars: JarSet) -> None:
    """Downloads the set and locks every jar of it. Raises `UserError` if it cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        jars.lock.touch()  # the cache folder is named after the lock, which may not exist yet
        download(jars, Path(folder) / "jars")
        found = sorted((Path(folder) / "jars").iterdir())
        jars.lock.write_text("".join(f"{hash_file(path)}  {path.name}\n" for path in found))
    print(f"{jars.lock}: {len(found)} jars")


def job_server_jar() -> Path:
    """The path of the jar that FlinkRunner starts (`--flink_job_server_jar`), made in the cache.

    It holds no classes; its manifest names the job server's jars, which are fetched unless they are cached. Raises
    `UserError` if that fails.
    """
    jars = fetch(JOB_SERVER_JARS)
    path = JOB_SERVER_JARS.cached.with_name(f"{JOB_SERVER_JARS.cached.name}.jar")
    attributes = {
        "Manifest-Version": "1.0",
        "Main-Class": _MAIN,
        "Class-Path": " ".join(f"{jar.parent.name}/{jar.name}" for jar in jars),  # relative to the jar's folder
        "Add-Opens": " ".join(OPENED_PACKAGES),
    }
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", manifest(attributes))
            archive.writestr("log4j2.properties", LOGGING)
        os.replace(whole, path)  # a running job server keeps the one that it has open
    return path


def manifest(attributes: Mapping[str, str]) -> bytes:
    """A jar's manifest. Lines longer than 72 bytes continue in the next, after a space (JAR file specification)."""
    lines = []
    for name, value in attributes.items():
        rest = f"{name}: {value}".encode()
        lines.append(rest[:_WIDTH])
        rest = rest[_WIDTH:]
        while rest:
            lines.append(b" " + rest[: _WIDTH - 1])
            rest = rest[_WIDTH - 1 :]
    return b"".join(line + b"\r\n" for line in lines)
