"""Makes a record set: reads a source, matches every box against the anchors, writes sharded TFRecords.

python -m beam_jobs.make_records --config=cifar10_improved --records=records/cifar10_improved
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from absl import flags, logging
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.pipeline import Pipeline

from beam_jobs.coverage import check_coverage, measure_coverage
from beam_jobs.finish import collect_receipts, finish, set_fingerprint
from beam_jobs.job import build_job
from beam_jobs.progress import shard_progress
from beam_jobs.record_folder import own_folder
from beam_jobs.runner import LOCAL, MODES, local_workers, make_pipeline
from beam_jobs.sources import make_source
from beam_jobs.split_items import all_shards
from beam_jobs.write_shard import KEPT, METRICS
from configs import load_config
from pipeline.config import SPLITS
from pipeline.errors import UserError, run_command
from pipeline.manifest import MANIFEST, Manifest

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_improved", "Name of a configuration in configs/.")
flags.DEFINE_string("records", None, "Folder of the record set; default: records/<config>. Any of Beam's file systems.")
flags.DEFINE_string(
    "data_dir", None, "Where the source's data lies: a folder, or an archive. Default: it is downloaded."
)
flags.DEFINE_integer("limit", None, "Only the first n pictures of each split of the source.")
flags.DEFINE_string("runner", LOCAL, "Beam runner: local, portable, flink, spark, dataflow, or Beam's own name of one.")
flags.DEFINE_integer("workers", 0, "Workers of the local runner; 0: one for every core.")
flags.DEFINE_enum("running_mode", "multi_processing", MODES, "How the local runner's workers run.")
flags.DEFINE_multi_string("beam_arg", [], "A further Beam option, such as --beam_arg=--job_endpoint=localhost:8099.")
flags.DEFINE_float("max_rejected", 0.0, "Share of pictures, and of boxes, that may be rejected before the job stops.")
flags.DEFINE_float("min_coverage", 0.0, "Share of boxes that anchors must fit with IoU 0.5; less stops the job.")


def main() -> None:
    """The job, from flags to manifest."""
    started = time.monotonic()
    # Beam's diary. What goes wrong in a local worker comes back as an exception, and is told once.
    logging.set_verbosity(logging.FATAL if FLAGS.runner == LOCAL else logging.ERROR)
    if not 0 <= FLAGS.max_rejected <= 1:
        raise UserError(f"--max_rejected must be in [0, 1], got {FLAGS.max_rejected}")
    config = dataclasses.replace(load_config(FLAGS.config).records, limit=FLAGS.limit)
    path = FLAGS.records or f"records/{FLAGS.config}"
    pipeline = make_pipeline(FLAGS.runner, workers=FLAGS.workers, mode=FLAGS.running_mode, beam_args=FLAGS.beam_arg)
    source = make_source(config.source, FLAGS.data_dir)
    shards = len(all_shards(config))
    workers = f", {local_workers(FLAGS.workers)} workers" if FLAGS.runner == LOCAL else ""
    print(f"records of {FLAGS.config}: source {source.name}, {shards} shards to {path}, runner {FLAGS.runner}{workers}")

    coverage = measure_coverage(config, source)
    print("\n".join(coverage.lines()), flush=True)
    check_coverage(coverage, FLAGS.min_coverage)

    with own_folder(path, set_fingerprint(config, source)) as folder:
        build_job(pipeline, folder=folder, config=config, source=source)
        with shard_progress(folder, shards):
            result = run(pipeline)
        kept = counter(result, KEPT)
        receipts = collect_receipts(folder, config)
        manifest = finish(folder, receipts, config=config, source=source, max_rejected=FLAGS.max_rejected)

    if kept:
        print(f"{kept} of {shards} shards were there already, with receipts that hold; kept")
    report(manifest, FLAGS.config, time.monotonic() - started)


def run(pipeline: Pipeline) -> Any:
    """Runs a pipeline to its end. A `UserError` in a worker becomes one here; other failures keep their traceback."""
    try:
        with dead_workers_end_the_job():
            result = pipeline.run()
            result.wait_until_finish()
            return result
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):  # pressed while Beam ran our code in this process
            raise KeyboardInterrupt from None
        # Workers are other processes: all that comes back of their exception is its text.
        if found := re.search(r"UserError: (.+?)(?: \[while running|\\n|\n|$)", str(error)):
            raise UserError(found.group(1)) from None
        raise


@contextlib.contextmanager
def dead_workers_end_the_job() -> Iterator[None]:
    """Beam's local runner waits for ever for a worker process that died (killed, out of memory); this ends the wait."""
    deaths: list[str] = []
    default = threading.excepthook

    def quietly(arguments: threading.ExceptHookArgs) -> None:
        if not arguments.exc_type.__module__.startswith("grpc"):  # a broken connection: the job's exception tells it
            default(arguments)

    def on_thread_end(arguments: threading.ExceptHookArgs) -> None:
        if "Worker subprocess exited" not in str(arguments.exc_value):
            quietly(arguments)
        elif not deaths:
            deaths.append(str(arguments.exc_value))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.excepthook = on_thread_end
    try:
        yield
    except KeyboardInterrupt:
        if not deaths:
            raise
        raise UserError(f"every worker must live to the end, got one that died ({deaths[0]}); was memory short? "
                        "Run the same command again: finished shards are kept") from None  # fmt: skip
    finally:
        threading.excepthook = quietly  # threads end after the job


def counter(result: Any, name: str) -> int:
    """The value of one of the job's counters; 0 if the runner reports none."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS).with_name(name))["counters"]
    return sum(int(c.result) for c in found)


def report(manifest: Manifest, config_name: str, seconds: float) -> None:
    """Prints what the set holds and where it lies."""
    examples = sum(manifest.examples(split) for split in SPLITS)
    size = sum(s.bytes for shards in manifest.shards.values() for s in shards)
    statistics = manifest.statistics
    boxes = sum(statistics[s]["boxes"] for s in SPLITS)
    positives = sum(statistics[s]["positives"] for s in SPLITS)
    print("splits: " + ", ".join(f"{split} {manifest.examples(split):,}" for split in SPLITS))
    print(f"boxes: {boxes:,}, {positives / max(boxes, 1):.1f} anchors each, "
          f"{sum(statistics[s]['boxes_without_anchor'] for s in SPLITS)} that no anchor reaches")  # fmt: skip
    print(f"rejected: {manifest.rejected['pictures']} pictures, {manifest.rejected['boxes']} boxes")
    print(f"{examples:,} examples, {size / 1e6:,.1f} MB, {size / max(examples, 1):,.0f} bytes each, "
          f"{seconds:.1f} s, {examples / seconds:,.0f} images/s")  # fmt: skip
    print(f"records: {manifest.folder}/{MANIFEST}")
    print(f"next: make train CONFIG={config_name} STRATEGY=mirrored RECORDS={manifest.folder}")


if __name__ == "__main__":
    try:
        run_command(main)
    except SystemExit as end:
        if end.code:  # threads of a job that failed may wait for workers, which wait for them
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        raise
