"""Flink's configuration for a small session cluster whose jobs survive the loss of a TaskManager."""

from __future__ import annotations

from cluster.settings import ClusterSettings

JOB_MANAGER_HEAP_MB = 512
TASK_MANAGER_HEAP_MB = 512
TASK_MANAGER_DIRECT_MB = 256
METASPACE_MB = 256

# Flink's scripts would derive the memory sizes from a total. We do not use them, so every size must be given.
_CONF = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: localhost
jobmanager.memory.heap.size: {job_manager_heap}m
jobmanager.memory.off-heap.size: 64m
jobmanager.memory.jvm-metaspace.size: {metaspace}m
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
taskmanager.memory.task.heap.size: {task_heap}m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: {metaspace}m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
io.tmp.dirs: {temporary}
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

LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def flink_conf(settings: ClusterSettings) -> str:
    """The text of `config.yaml`."""
    return _CONF.format(
        rpc_port=settings.rpc_port,
        rest_port=settings.rest_port,
        slots=settings.slots_each,
        job_manager_heap=JOB_MANAGER_HEAP_MB,
        task_heap=TASK_MANAGER_HEAP_MB - 128,  # the framework takes 128 MB of the heap
        metaspace=METASPACE_MB,
        temporary=settings.folder / "tmp",
    )
