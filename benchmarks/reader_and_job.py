"""Compares our reader and our records job with the notebook's generator, which matches for every batch.

    make bench
    python -m benchmarks.reader_and_job --data_dir=FOLDER_WITH_CIFAR-10

Every round runs the generator on one core, the records job as a whole process on two, and the reader on one core with
one thread. The table shows the medians; ratios are taken within a round. Ends with status 1 if a goal is missed.
docs/baseline.md explains the notebook.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from absl import flags
from tqdm import tqdm

from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from benchmarks.commands import measure_python
from benchmarks.flags import FLAGS
from benchmarks.reader_and_job_goals import MANY_VIEWS, WORKERS, Round, goals, table
from benchmarks.report import Conditions, report
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from configs import load_config
from pipeline.command_line import run_command
from pipeline.config.records_config import SPLITS
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.records.manifest import Manifest, load_manifest
from pipeline.records.packed_view import WORD_BYTES

ROUNDS = 3
CONFIG = "cifar10_improved"
MANY_LIMIT = 5_000  # images of each split for the records with many views
LIMIT = 40_000  # of each split of the source: 40,000 and 10,000 images, 50,000 records

flags.DEFINE_string("data_dir", None, "Folder of CIFAR-10. Default: noise of its shape, in its layout.")
flags.DEFINE_integer("limit", LIMIT, "Images of each split of the source.", lower_bound=1000)


def measure(data_dir: str, records: str, limit: int) -> Round:
    """Measures one round. The records go to a new folder."""
    generator = _one_core_rate("generator", CONFIG, data_dir)
    job = measure_python(
        *("-m", "beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}"),
        *(f"--data_dir={data_dir}", f"--workers={WORKERS}", f"--limit={limit}"),
        memory=True,
    )
    manifest = load_manifest(records)
    examples = sum(manifest.examples(split) for split in SPLITS)
    size = sum(shard.bytes for shard in manifest.all_shards())
    many = _with_many_views(data_dir, f"{records}-views")
    return Round(
        generator=generator,
        one_view=_one_core_rate("sparse", records),
        many_views=_one_core_rate("sparse", many.folder),
        dense=_one_core_rate("dense", records),
        job=examples / job.seconds,
        job_seconds=job.seconds,
        peak_bytes=job.peak_bytes,
        record_bytes=size / examples,
        many_bytes=sum(s.bytes for s in many.shards("train")) / many.examples("train"),
        feed_bytes=_count_batch_bytes(manifest),
        examples=examples,
    )


def _with_many_views(data_dir: str, records: str) -> Manifest:
    """A smaller record set whose records have `MANY_VIEWS`."""
    measure_python(
        *("-m", "beam_jobs.make_records", f"--config={CONFIG}", f"--records={records}", f"--data_dir={data_dir}"),
        *(f"--workers={WORKERS}", f"--limit={MANY_LIMIT}", f"--views={MANY_VIEWS}"),
    )
    return load_manifest(records)


def _count_batch_bytes(manifest: Manifest) -> float:
    """Bytes of an image in a sparse batch of training."""
    spec = make_batch_spec(manifest, "train")
    return spec.height * spec.width * 3 + spec.words * WORD_BYTES


def main() -> None:
    """Measures all rounds and prints the table. Raises `UserError` if a goal is missed, unless `--nogoals`."""
    config = load_config(CONFIG).records
    print(f"{CONFIG}: {config.canvas[0]} pixels, batch 32; {FLAGS.rounds or ROUNDS} rounds of about a minute")
    rounds: list[Round] = []
    before = Conditions.now()
    with tempfile.TemporaryDirectory(prefix="prematch-bench-") as folder:
        source = Cifar10.prepare(DataPaths(FLAGS.data_dir or str(write_synthetic_cifar10(Path(folder) / "data"))))
        for _ in tqdm(range(FLAGS.rounds or ROUNDS), desc="rounds", unit="round"):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                rounds.append(measure(source.folder, str(Path(place) / "records"), FLAGS.limit))
    images = FLAGS.data_dir or "noise of the shape of CIFAR-10"
    report(before, f"images: {images}", table(rounds), goals(rounds))


def _one_core_rate(*arguments: str) -> float:
    return float(measure_python("-m", "benchmarks.one_core_rate", *arguments).output.split()[-1])


if __name__ == "__main__":
    run_command(main)
