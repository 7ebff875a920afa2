"""Writes a new jars.lock next to every pom.xml, from what Maven resolves now."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cluster.errors import run_with_log_lines
from cluster.fetch_jars import download
from cluster.jars import FLINK_JARS, JOB_SERVER_JARS, JarSet
from pipeline.files import file_sha256


def write_lock(jars: JarSet) -> None:
    """Downloads the set and locks every jar of it. Raises `UserError` if it cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        jars.lock.touch()  # the cache folder is named after the lock, which may not exist yet
        download(jars, Path(folder) / "jars")
        found = sorted((Path(folder) / "jars").iterdir())
        jars.lock.write_text("".join(f"{file_sha256(path)}  {path.name}\n" for path in found))
    print(f"{jars.lock}: {len(found)} jars")


def main() -> None:
    """Locks both sets."""
    for jars in (FLINK_JARS, JOB_SERVER_JARS):
        write_lock(jars)


if __name__ == "__main__":
    sys.exit(run_with_log_lines(main))
