"""The job's metrics: what Flink's and Dataflow's pages show, and the job's last lines print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apache_beam.metrics import Metrics
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.metrics.metricbase import Counter, Distribution

NAMESPACE = "records"
ITEMS = "items"
ENTRIES = "entries"
RECORDS = "records"
BYTES = "bytes"
REJECTED_IMAGES = "rejected_images"
REJECTED_BOXES = "rejected_boxes"
SHARDS_KEPT = "shards_kept"
READING = "reading_ms"  # reading images, per shard
MATCHING = "matching_ms"  # placing, matching and encoding, per shard
WRITING = "writing_ms"  # writing records, per shard


def counter(name: str) -> Counter:
    """A counter of the job."""
    return Metrics.counter(NAMESPACE, name)


def milliseconds(name: str) -> Distribution:
    """A distribution of the time that shards took."""
    return Metrics.distribution(NAMESPACE, name)


@dataclass(frozen=True)
class JobMetrics:
    """What a runner reports at the end of a job, by name; nothing if it reports no metrics."""

    counts: dict[str, int]
    times: dict[str, float]  # seconds, over all workers

    @property
    def kept(self) -> int:
        """Shards that were there already."""
        return self.counts.get(SHARDS_KEPT, 0)

    def lines(self) -> list[str]:
        """What the job prints about its work: only what the runner reported."""
        names = (ITEMS, ENTRIES, RECORDS, BYTES, REJECTED_IMAGES, REJECTED_BOXES)
        counts = [f"{self.counts[name]:,} {name.replace('_', ' ')}" for name in names if name in self.counts]
        words = {READING: "read", MATCHING: "matched", WRITING: "wrote"}
        times = [f"{word} {self.times[name]:.1f} s" for name, word in words.items() if name in self.times]
        lines = [f"this run: {', '.join(counts)}"] if counts else []
        return [*lines, f"worker time: {', '.join(times)}"] if times else lines


def read_job_metrics(result: Any) -> JobMetrics:
    """The metrics of a job that has ended, from its `PipelineResult`."""
    try:
        found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))
    except NotImplementedError:  # Beam's answer for a runner that keeps no metrics
        found = {}
    counts: dict[str, int] = {}
    for count in found.get("counters", ()):  # one for each step that has it
        counts[count.key.metric.name] = counts.get(count.key.metric.name, 0) + int(count.result or 0)
    times: dict[str, float] = {}
    for time in found.get("distributions", ()):
        if time.result is not None:
            times[time.key.metric.name] = times.get(time.key.metric.name, 0.0) + time.result.sum / 1000
    return JobMetrics(counts, times)
