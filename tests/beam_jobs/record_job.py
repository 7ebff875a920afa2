"""Record jobs of tests: in this process with a small configuration, or as users start them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from apache_beam.pipeline import Pipeline

from beam_jobs.checks.check_folder import check_files, check_receipts
from beam_jobs.checks.check_shard import check_shard, make_shard_checks
from beam_jobs.checks.repeated_ids import find_repeated_ids
from beam_jobs.job.fingerprint import set_fingerprint
from beam_jobs.job.finish import collect_receipts, finish
from beam_jobs.job.job import build_job
from beam_jobs.job.metrics import JobMetrics
from beam_jobs.job.record_folder import own_folder
from beam_jobs.runners.run_job import run
from beam_jobs.runners.runner import open_pipeline
from beam_jobs.sources import make_source
from beam_jobs.sources.source import Source
from pipeline.compositions.collage import Collage
from pipeline.compositions.letterbox import Letterbox
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import SPLITS, RecordsConfig, ShardCounts
from pipeline.errors import UserError
from pipeline.records.manifest import Manifest, load_manifest
from pipeline.records.record import Record, decode_record
from pipeline.records.tfrecord import read_frames
from tests.commands import Environment, run_module, start_module

DIGITS = RecordsConfig(
    source="digits",
    anchors=IMPROVED_ANCHORS,
    matching=IMPROVED_MATCHING,
    composition=Collage(canvas=(64, 64), object_size=(16, 28), objects=(1, 2)),
    shards=ShardCounts(train=3, val=2, test=2),
    copies=2,
    limit=40,
)
CIFAR10 = replace(
    DIGITS, source="cifar10", composition=Collage(canvas=(96, 96), object_size=(32, 32), flip=True), limit=None
)
VIEWS = replace(
    DIGITS,
    composition=Collage(canvas=(64, 64), object_size=(16, 28), objects=(1, 2), flip=True),
    copies=1,
    views=4,
)
IMAGES = replace(DIGITS, source="images", composition=Letterbox(canvas=(64, 64)), copies=1, views=4, limit=None)


def make_set(
    records: Path,
    config: RecordsConfig = DIGITS,
    *,
    source: Source | None = None,
    mode: str = "in_memory",
    workers: int = 1,
    max_rejected: float = 0.0,
) -> JobMetrics:
    """Makes a record set with the parts of the command, on the local runner. Returns what the job counted."""
    with open_pipeline("local", workers=workers, mode=mode, beam_args=[]) as pipeline:
        return make_set_on(pipeline, records, config, source=source, max_rejected=max_rejected)


def make_set_on(
    pipeline: Pipeline,
    records: Path,
    config: RecordsConfig = DIGITS,
    *,
    source: Source | None = None,
    max_rejected: float = 0.0,
) -> JobMetrics:
    """Makes a record set with the parts of the command, on any runner."""
    source = source or make_source(config.source, None)
    with own_folder(str(records), set_fingerprint(config, source)) as folder:
        build_job(pipeline, folder=folder, config=config, source=source)
        metrics = run(pipeline)
        receipts = collect_receipts(folder, config)
        finish(folder, receipts, config=config, source=source, max_rejected=max_rejected)
    return metrics


def make_records(
    *flags: str, config: str = "digits_demo", env: Environment | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return run_module("beam_jobs.make_records", f"--config={config}", *flags, env=env)


def start_records(*flags: str, background: bool = False, env: Environment | None = None) -> subprocess.Popen[str]:
    """Starts the command."""
    return start_module("beam_jobs.make_records", "--config=digits_demo", *flags, background=background, env=env)


def receipts(records: Path) -> list[Path]:
    """The receipts that are there."""
    return sorted(records.glob("receipts/*.json"))


def checksums(records: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its path there."""
    files = (path for path in sorted(records.rglob("*")) if path.is_file())
    return {str(path.relative_to(records)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_shards(records: Path) -> Iterator[tuple[str, int, Record]]:
    """Every record of a set, with its split and the number of its shard."""
    manifest: Manifest = load_manifest(str(records))
    for split in SPLITS:
        for number, shard in enumerate(manifest.shards(split)):
            with (records / shard.name).open("rb") as file:
                for data in read_frames(file, shard.bytes):
                    yield split, number, decode_record(data)


def findings(records: Path, sample: int | None = None) -> list[str]:
    """What `verify` finds, in this process; the error of a manifest that cannot be trusted counts as a finding."""
    try:
        manifest, found = check_files(str(records))
    except UserError as error:
        return [str(error)]
    found += check_receipts(manifest)
    shards = [check_shard(check) for check in make_shard_checks(manifest, sample)]
    return [*found, *(finding for shard in shards for finding in shard.findings), *find_repeated_ids(shards)]
