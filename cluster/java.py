"""Finds a Java for Flink, and what it must be told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from cluster.errors import ClusterError

OLDEST = 17  # what this cluster is run on
_INSTALL = f"install Java {OLDEST} or newer (on Debian and Ubuntu: apt-get install default-jre-headless)"

# Flink serializes by reflection into these packages of Java's own, which Java 17 keeps shut.
OPENED_PACKAGES = [
    f"java.base/java.{package}"
    for package in (
        "io", "lang", "lang.invoke", "lang.reflect", "net", "nio", "text", "time", "util", "util.concurrent",
        "util.concurrent.atomic", "util.concurrent.locks",
    )
]  # fmt: skip


def find_java() -> str:
    """The path of `java`: JAVA_HOME's, else PATH's. Raises `ClusterError` if it is missing or too old."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(os.path.join(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME={home}" if home else "on PATH"
        raise ClusterError(f"the cluster needs Java, got none {where}: {_INSTALL}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True)
    major = java_major(said.stderr + said.stdout)
    if major is None:
        raise ClusterError(f"{java} must tell its version, got none: {_INSTALL}")
    if major < OLDEST:
        raise ClusterError(
            f"the cluster needs Java {OLDEST} or newer, got {major} ({java}): {_INSTALL}, or set JAVA_HOME"
        )
    return java


def java_major(text: str) -> int | None:
    """The major version in what `java -version` prints (17 for "17.0.15", 8 for "1.8.0_432"), or None."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else None
