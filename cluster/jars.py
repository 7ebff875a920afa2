"""Sets of jars: a pom.xml that Maven resolves, and a lock with the SHA-256 of every resulting jar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import cache_folder, file_sha256

_MAVEN = Path(__file__).with_name("maven")


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
        return jars_folder() / f"{self.folder.name}-{file_sha256(self.lock)[:12]}"

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
        got = file_sha256(folder / name) if name in found else "no file"
        if got != locked[name]:
            raise UserError(f"{folder / name} must have SHA-256 {locked[name]}, got {got}: {way_out}")
