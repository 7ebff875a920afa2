"""Flink's Java, configuration and processes, for a small session cluster whose jobs outlive a TaskManager."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

from cluster.processes import Process, start
from pipeline.errors import UserError

OLDEST = 17  # the version that this cluster is tested with
_INSTALL = f"install Java {OLDEST} or newer (on Debian and Ubuntu: apt-get install default-jre-headless)"

# Flink's serialization uses reflection on these packages, which Java 17 closes.
_PACKAGES = "io lang lang.invoke lang.reflect net nio text time util"
_CONCURRENT = "util.concurrent util.concurrent.atomic util.concurrent.locks"
OPENED_PACKAGES = [f"java.base/java.{package}" for package in f"{_PACKAGES} {_CONCURRENT}".split()]

# The main class of each process and its memory, which must agree with the configuration below.
_METASPACE = "-XX:MaxMetaspaceSize=256m"
_PROGRAMS = {
    "jobmanager": (
        "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
        ["-Xmx512m", _METASPACE],
    ),
    "taskmanager": (
        "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
        ["-Xmx512m", "-XX:MaxDirectMemorySize=256m", _METASPACE],
    ),
}
LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


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


def write_configuration(folder: Path, *, rpc_port: int, rest_port: int, slots: int) -> None:
    """Writes the files that Flink's processes read to `conf` in the cluster's folder."""
    # Flink's scripts would derive the memory sizes from a total. We do not use them, so every size must be given.
    text = f"""\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: localhost
jobmanager.memory.heap.size: 512m
jobmanager.memory.off-heap.size: 64m
jobmanager.memory.jvm-metaspace.size: 256m
jobmanager.memory.jvm-overhead.min: 64m
jobmanager.memory.jvm-overhead.max: 64m
rest.address: localhost
rest.bind-address: localhost
rest.port: {rest_port}
taskmanager.host: localhost
taskmanager.bind-host: localhost
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.task.heap.size: 384m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
io.tmp.dirs: {folder / "tmp"}
# Both TaskManagers get work, although one has enough slots for the whole job.
taskmanager.load-balance.mode: SLOTS
# Without checkpoints Flink does not restart a failed job by default. A restarted job of ours reads its source
# again, and keeps the finished shards.
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 10
restart-strategy.fixed-delay.delay: 2 s
# A killed TaskManager is noticed within ten seconds. Both values are milliseconds; Flink 1.19 takes no unit.
heartbeat.interval: 2000
heartbeat.timeout: 10000
"""
    (folder / "conf" / "config.yaml").write_text(text)
    (folder / "conf" / "log4j.properties").write_text(LOGGING)


def start_flink(name: str, java: str, classpath: str, folder: Path) -> Process:
    """Starts `jobmanager` or `taskmanager-<number>` of the cluster in a folder."""
    main, memory = _PROGRAMS[name.partition("-")[0]]
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED_PACKAGES]
    logging = f"-Dlog4j.configurationFile=file:{folder / 'conf' / 'log4j.properties'}"
    command = [java, *memory, *opened, logging, "-cp", classpath, main, "--configDir", str(folder / "conf")]
    return start(name, command, log=folder / "logs" / f"{name}.log", env=os.environ)


def task_managers(rest_port: int) -> int | None:
    """How many TaskManagers the JobManager knows, or None while it does not answer."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    try:
        with direct.open(f"http://localhost:{rest_port}/overview", timeout=5) as answer:
            return int(json.load(answer)["taskmanagers"])
    except (OSError, ValueError, KeyError):  # a URLError is an OSError
        return None
