"""Finds a Java for Flink, and lists the options that it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from pipeline.errors import UserError

OLDEST = 17  # the version that this cluster is tested with
_INSTALL = f"install Java {OLDEST} or newer (on Debian and Ubuntu: apt-get install default-jre-headless)"

# Flink's serialization uses reflection on these packages, which Java 17 closes.
_PACKAGES = "io lang lang.invoke lang.reflect net nio text time util"
_CONCURRENT = "util.concurrent util.concurrent.atomic util.concurrent.locks"
OPENED_PACKAGES = [f"java.base/java.{package}" for package in f"{_PACKAGES} {_CONCURRENT}".split()]


def find_java() -> str:
    """The path of `java`, from JAVA_HOME or else from PATH. Raises `UserError` if it is missing or too old."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(os.path.join(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME={home}" if home else "on PATH"
        raise UserError(f"the cluster needs Java, and there is none {where}: {_INSTALL}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True)
    major = java_major(said.stderr + said.stdout)
    if major is None:
        raise UserError(f"{java} does not say its version: {_INSTALL}")
    if major < OLDEST:
        raise UserError(f"the cluster needs Java {OLDEST} or newer, got {major} ({java}): {_INSTALL}, or set JAVA_HOME")
    return java


def java_major(text: str) -> int | None:
    """The major version in the output of `java -version` (17 for "17.0.15", 8 for "1.8.0_432"), or None."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else None
