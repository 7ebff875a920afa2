"""Packs Beam's Flink job server, which runs next to the launcher, into one jar. As a command, prints its path."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import run_with_log_lines
from cluster.fetch_jars import fetch
from cluster.flink_conf import LOGGING
from cluster.jars import JOB_SERVER_JARS
from cluster.java import OPENED_PACKAGES, find_java

_MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_WIDTH = 72  # bytes in a line of a manifest


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


def main() -> None:
    """Checks that there is a Java to run the jar, and prints the jar's path."""
    find_java()
    print(job_server_jar())


if __name__ == "__main__":
    sys.exit(run_with_log_lines(main))
