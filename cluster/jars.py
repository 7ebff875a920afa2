"""The locked jars: what they are, where they are cached, and whether their bytes are the locked ones."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ClusterError

LOCK = Path(__file__).with_name("jars.lock")
MAVEN = "maven"
_UNLOCKED = "-"


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    sha256: str | None  # None: not locked yet
    group: str
    artifact: str
    version: str
    source: str  # "maven", or a pinned wheel

    @property
    def coordinates(self) -> str:
        """As Maven writes them."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """Where the jar is cached."""
        return cache_folder() / f"{self.artifact}-{self.version}.jar"

    @property
    def first_seen(self) -> Path:
        """The checksum of the first download of a jar that the lock has none for."""
        return self.path.with_suffix(".jar.sha256")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/prematch/jars`, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prematch" / "jars"


def read_lock(path: Path = LOCK) -> list[Jar]:
    """The jars of the lock file. Raises `ClusterError` naming a line that is not one."""
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        coordinates = fields[1].split(":") if len(fields) == 3 else []
        if len(coordinates) != 3:
            raise ClusterError(f"{path}:{number} must be `sha256 coordinates source`, got {line!r}")
        sha256 = None if fields[0] == _UNLOCKED else fields[0]
        group, artifact, version = coordinates
        jars.append(Jar(sha256, group, artifact, version, fields[2]))
    return jars


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_cached(jar: Jar) -> bool:
    """Whether the jar lies in the cache. Raises `ClusterError` if it does, with other bytes than locked."""
    if not jar.path.exists():
        return False
    wanted = jar.sha256 or (jar.first_seen.read_text().strip() if jar.first_seen.exists() else None)
    if wanted is None:
        return False  # a download that was interrupted before its checksum was written down
    got = sha256_of(jar.path)
    if got != wanted:
        raise ClusterError(f"{jar.path} must have SHA-256 {wanted}, got {got}: delete it and run this again")
    return True
