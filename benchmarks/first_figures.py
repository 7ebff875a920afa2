"""First figures: our reader and our records job beside the notebook's generator, measured in one run.

    make bench
    python -m benchmarks.first_figures --data_dir=FOLDER_WITH_CIFAR-10

Every round runs the generator on one core, the records job as a whole process on two, and the reader on one core
with one thread; the table shows the medians. Ratios compare what ran beside each other on one machine.
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from absl import flags
from tqdm import tqdm

from beam_jobs.sources.cifar10 import Cifar10
from benchmarks.machine import describe_machine, load_average
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from benchmarks.whole_process import run_whole_process
from configs import load_config
from pipeline.errors import UserError, run_command
from pipeline.records.manifest import load_manifest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "cifar10_improved"
WORKERS = 2
LIMIT = 40_000  # of each split of the source: 40,000 and 10,000 pictures, 50,000 records
READER_TIMES, JOB_RATE, JOB_TIMES, RECORD_BYTES = 8.0, 3_800, 4.0, 13_312  # the goals

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where CIFAR-10 lies. Default: noise of its shape, in its layout.")
flags.DEFINE_integer("rounds", 3, "Rounds of all three; medians are shown.", lower_bound=1)
flags.DEFINE_integer("limit", LIMIT, "Pictures of each split of the source.", lower_bound=1000)


@dataclass(frozen=True)
class Round:
    """What one round measured."""

    generator: float  # images a second
    reader: float  # images a second
    job: float  # images a second
    job_seconds: float
    peak_bytes: int
    record_bytes: float
    examples: int


def one_core(*arguments: str) -> float:
    """Images a second of `benchmarks.one_core`."""
    command = [sys.executable, "-m", "benchmarks.one_core", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"{' '.join(command)} must end with status 0, got {done.returncode}: {done.stderr[-500:]}")
    return float(done.stdout.split()[-1])


def measure(data_dir: str, records: str, limit: int) -> Round:
    """One round. The records are made anew in a folder that must not be there."""
    generator = one_core("generator", CONFIG, data_dir)
    job = run_whole_process(
        [
            *(sys.executable, "-m", "beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}"),
            *(f"--data_dir={data_dir}", f"--workers={WORKERS}", f"--limit={limit}"),
        ],
        cwd=ROOT,
    )
    manifest = load_manifest(records)
    examples = sum(manifest.examples(split) for split in manifest.shards)
    size = sum(shard.bytes for shards in manifest.shards.values() for shard in shards)
    reader = one_core("reader", records)
    rate = examples / job.seconds
    return Round(generator, reader, rate, job.seconds, job.peak_bytes, size / examples, examples)


def table(rounds: list[Round]) -> str:
    """The medians beside the goals, as lines of text."""
    median = Round(*(statistics.median(values) for values in zip(*map(dataclasses.astuple, rounds), strict=True)))
    reader_times = statistics.median(r.reader / r.generator for r in rounds)
    job_times = statistics.median(r.job / r.generator for r in rounds)
    rows = [
        ("figure", "images/s", "ratio", "goal"),
        ("notebook's generator, one core", f"{median.generator:,.0f}", "1.0", ""),
        (
            "reader, one thread on one core",
            f"{median.reader:,.0f}",
            f"{reader_times:.1f}",
            f"ratio >= {READER_TIMES:g}",
        ),
        (
            f"records job, whole process, {WORKERS} cores",
            f"{median.job:,.0f}",
            f"{job_times:.1f}",
            f">= {JOB_RATE:,}, ratio >= {JOB_TIMES:g}",
        ),
    ]
    lines = [f"{a:<40}{b:>10}{c:>8}  {d}".rstrip() for a, b, c, d in rows]
    lines.append(f"records job: {median.examples:,.0f} images in {median.job_seconds:.1f} s, "
                 f"peak memory {median.peak_bytes / 1e6:,.0f} MB")  # fmt: skip
    lines.append(f"bytes a record: {median.record_bytes:,.0f} (goal <= {RECORD_BYTES:,})")
    return "\n".join(lines)


def main() -> None:
    """All rounds, then the table."""
    config = load_config(CONFIG).records
    print(f"{CONFIG}: {config.canvas.size} pixels, batch 32; {FLAGS.rounds} rounds of about a minute")
    rounds: list[Round] = []
    load = load_average()
    with tempfile.TemporaryDirectory(prefix="prematch-bench-") as folder:
        source = Cifar10.prepare(FLAGS.data_dir or str(write_synthetic_cifar10(Path(folder) / "data")))
        for _ in tqdm(range(FLAGS.rounds), desc="rounds", unit="round"):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                rounds.append(measure(source.folder, str(Path(place) / "records"), FLAGS.limit))
    print(describe_machine())
    print(f"pictures: {FLAGS.data_dir or 'noise of the shape of CIFAR-10'}; load average before: {load:.1f}")
    print(table(rounds))


if __name__ == "__main__":
    run_command(main)
