"""Makes a record set: reads a source, matches every box against the anchors, writes sharded TFRecords.

prematch records --config=cifar10_improved --records=records/cifar10_improved
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time

from absl import flags, logging
from apache_beam.pipeline import Pipeline

from beam_jobs import record_flags
from beam_jobs.job.coverage import check_coverage, measure_coverage, propose
from beam_jobs.job.entries import all_shards
from beam_jobs.job.fingerprint import set_fingerprint
from beam_jobs.job.finish import collect_receipts, finish
from beam_jobs.job.job import build_job
from beam_jobs.job.record_folder import own_folder
from beam_jobs.job.storage import check_file_system
from beam_jobs.record_flags import choose_composition, data_paths, records_config
from beam_jobs.runners.run_job import run, show_shard_progress
from beam_jobs.runners.runner import LOCAL, MODES, count_local_workers, open_pipeline
from beam_jobs.sources import make_source
from beam_jobs.sources.data_paths import make_absolute
from beam_jobs.sources.image_files import is_local
from beam_jobs.sources.source import describe_source
from pipeline.command_line import let_sigterm_interrupt, make_variable, run_command
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, format_count, make_printable, require_utf8
from pipeline.records.manifest import MANIFEST, Manifest

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "records", None, "Folder of the record set, on any of Beam's file systems. Default: records/CONFIG."
)
flags.DEFINE_enum(
    "anchors", "config", ["config", "auto"], "The configuration's anchors, or some that are proposed from the boxes."
)
flags.DEFINE_string(
    "runner", LOCAL, "Beam runner: local, portable, flink, spark, dataflow, or Beam's own name for one."
)
flags.DEFINE_integer("workers", 0, "Workers of the local runner; 0: one for every core.")
flags.DEFINE_enum("running_mode", "multi_processing", MODES, "How the local runner's workers run.")
flags.DEFINE_multi_string("beam_arg", [], "A further Beam option, such as --beam_arg=--job_endpoint=localhost:8099.")
flags.DEFINE_enum(
    "check", "sizes", ["sizes", "content"], "How to tell that images changed: by name and size, or by every byte."
)
flags.DEFINE_float("max_rejected", 0.0, "Share of images, and of boxes, that may be rejected before the job stops.")
flags.DEFINE_float("min_coverage", 0.0, "Share of boxes that anchors must fit with IoU 0.5; less stops the job.")
flags.adopt_module_key_flags(record_flags)  # --help lists them too


def main() -> None:
    """The job, from flags to manifest."""
    # Quiets Beam's log: an error in a local worker comes back as an exception, and is printed once.
    logging.set_verbosity(logging.FATAL if FLAGS.runner == LOCAL else logging.ERROR)
    if not 0 <= FLAGS.max_rejected <= 1:
        raise UserError(f"--max_rejected must be in [0, 1], got {FLAGS.max_rejected}")
    let_sigterm_interrupt()
    check_file_system(FLAGS.records or "")
    with open_pipeline(
        FLAGS.runner, workers=FLAGS.workers, mode=FLAGS.running_mode, beam_args=FLAGS.beam_arg
    ) as pipeline:
        make_records(pipeline)


def make_records(pipeline: Pipeline) -> None:
    """Builds and runs the job on an empty pipeline."""
    started = time.monotonic()
    config = records_config()
    path = FLAGS.records or f"records/{FLAGS.config}"
    require_utf8("--records", path)
    if FLAGS.runner != LOCAL:  # workers may have another current folder
        path = make_absolute(path)
    source = make_source(config.source, data_paths())
    shards = len(all_shards(config))
    workers = f", {format_count(count_local_workers(FLAGS.workers), 'worker')}" if FLAGS.runner == LOCAL else ""
    print(f"records of {FLAGS.config}: source {source.name}, {shards} shards, runner {FLAGS.runner}{workers}")
    print("\n".join(describe_source(source, val_fraction=config.val_fraction)), flush=True)

    config = choose_composition(config, source)
    print(config.composition.describe())
    if FLAGS.anchors == "auto":
        proposal = propose(config, source)
        print("\n".join(proposal.lines()), flush=True)
        config = dataclasses.replace(config, anchors=proposal.anchors, proposed_anchors=True)
    coverage = measure_coverage(config, source)
    print("\n".join(coverage.lines()), flush=True)
    check_coverage(coverage, FLAGS.min_coverage)

    with own_folder(path, set_fingerprint(config, source, check=FLAGS.check)) as folder:
        build_job(pipeline, folder=folder, config=config, source=source)
        with show_shard_progress(folder, shards):
            metrics = run(pipeline)
        receipts = collect_receipts(folder, config)
        manifest = finish(folder, receipts, config=config, source=source, max_rejected=FLAGS.max_rejected)

    if metrics.kept:
        print(f"{metrics.kept} of {shards} shards were already complete and are kept")
    print("".join(f"{line}\n" for line in metrics.lines()), end="")
    report(manifest, FLAGS.config, time.monotonic() - started)


def report(manifest: Manifest, config_name: str, seconds: float) -> None:
    """Prints what the set holds and where it is."""
    records = sum(manifest.examples(split) for split in SPLITS)
    size = sum(shard.bytes for shard in manifest.all_shards())
    views, boxes, positives, unreached = (
        sum(getattr(manifest.statistics[split], name) for split in SPLITS)
        for name in ("views", "boxes", "positives", "boxes_without_anchor")
    )
    print("splits: " + ", ".join(f"{split} {manifest.examples(split):,}" for split in SPLITS))
    for split, use in (("val", "training keeps its last weights"), ("test", "there is nothing to evaluate")):
        if not manifest.examples(split):
            print(f"note: {split} is empty, so {use}")
    print(f"views: {views:,}, {manifest.config.views} of each training record")
    print(f"boxes: {boxes:,}, {positives / max(boxes, 1):.1f} anchors each, {unreached} without an anchor")
    rejected = manifest.rejected
    print(f"rejected: {format_count(rejected.images, 'image')}, {format_count(rejected.boxes, 'box')}")
    size_each = f"{size / 1e6:,.1f} MB, {size / max(records, 1):,.0f} bytes each"
    print(f"{format_count(records, 'record')}, {size_each}, {seconds:.1f} s, {records / seconds:,.0f} records/s")
    print(make_printable(f"records: {os.path.join(manifest.folder, MANIFEST)}"))
    if not is_local(manifest.folder):
        print(make_printable("next: copy or mount the set, because training reads local folders"))
        return
    run = make_variable("RUN", f"runs/{os.path.basename(manifest.folder.rstrip('/'))}")
    where = f"{make_variable('RECORDS', manifest.folder)} {run}"
    print(make_printable(f"next: make train CONFIG={config_name} STRATEGY=mirrored {where}"))


if __name__ == "__main__":
    try:
        run_command(main)
    except SystemExit as end:
        if end.code:  # a failed job's threads and its workers may wait for each other
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        raise
