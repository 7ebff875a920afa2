"""Record jobs of tests: in this process with a small configuration, or as users start them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from apache_beam.pipeline import Pipeline

from beam_jobs.checks.check_folder import check_files, check_receipts
from beam_jobs.checks.check_shard import check_shard, shard_checks
from beam_jobs.job.finish import collect_receipts, finish, set_fingerprint
from beam_jobs.job.job import build_job
from beam_jobs.job.record_folder import own_folder
from beam_jobs.job.write_shard import KEPT
from beam_jobs.runners.run_job import counter, run
from beam_jobs.runners.runner import make_pipeline
from beam_jobs.sources import make_source
from beam_jobs.sources.source import Source
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import SPLITS, CanvasConfig, RecordsConfig, ShardCounts
from pipeline.errors import UserError
from pipeline.records.manifest import Manifest, load_manifest
from pipeline.records.record import Record, decode_record
from pipeline.records.tfrecord import read_frames

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds that a command may take on a busy machine before the test gives up

DIGITS = RecordsConfig(
    source="digits",
    anchors=IMPROVED_ANCHORS,
    matching=IMPROVED_MATCHING,
    canvas=CanvasConfig(size=64, object_size=(16, 28), objects=(1, 2)),
    shards=ShardCounts(train=3, val=2, test=2),
    copies=2,
    limit=40,
)
CIFAR10 = replace(DIGITS, source="cifar10", canvas=CanvasConfig(size=96, object_size=(32, 32), flip=True), limit=None)


def local_pipeline(mode: str = "in_memory", workers: int = 1) -> Pipeline:
    """A pipeline on the local runner."""
    return make_pipeline("local", workers=workers, mode=mode, beam_args=[])


def make_set(
    records: Path,
    config: RecordsConfig = DIGITS,
    *,
    source: Source | None = None,
    pipeline: Pipeline | None = None,
    max_rejected: float = 0.0,
) -> int:
    """Makes a record set with the parts of the command. -> how many shards were kept."""
    source = source or make_source(config.source, None)
    pipeline = pipeline or local_pipeline()
    with own_folder(str(records), set_fingerprint(config, source)) as folder:
        build_job(pipeline, folder=folder, config=config, source=source)
        kept = counter(run(pipeline), KEPT)
        receipts = collect_receipts(folder, config)
        finish(folder, receipts, config=config, source=source, max_rejected=max_rejected)
    return kept


def command(*flags: str, config: str = "digits_demo") -> list[str]:
    """The command that makes records."""
    return [sys.executable, "-m", "beam_jobs.make_records", f"--config={config}", *flags]


def run_command(
    *flags: str, config: str = "digits_demo", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        command(*flags, config=config),
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def output(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that must end well printed."""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which a command that must fail says why; the bar on standard error apart."""
    assert done.returncode == 1, f"exit status {done.returncode}:\n{done.stdout}\n{done.stderr}"
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line and not line.startswith("records: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0].removeprefix("error: ")


def start(*flags: str, config: str = "digits_demo", background: bool = False) -> subprocess.Popen[str]:
    """Starts the command in a process group of its own; in the background a shell has it ignore Ctrl-C."""
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if background else []
    return subprocess.Popen(
        [*shell, *command(*flags, config=config)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_all(job: subprocess.Popen[str]) -> None:
    """SIGKILL for a job and its workers, those that are still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.communicate(timeout=PATIENCE)


def wait_until(condition: Callable[[], object], job: subprocess.Popen[str]) -> None:
    """Waits for a moment of a job that still runs, looking every few milliseconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert job.poll() is None, f"the job ended too early:\n{job.communicate()}"
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.002)


def receipts(records: Path) -> list[Path]:
    """The receipts that are there."""
    return sorted(records.glob("receipts/*.json"))


def checksums(records: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its name there."""
    files = (path for path in sorted(records.rglob("*")) if path.is_file())
    return {str(path.relative_to(records)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_shards(records: Path) -> Iterator[tuple[str, int, Record]]:
    """Every record of a set, with its split and the number of its shard."""
    manifest: Manifest = load_manifest(str(records))
    for split in SPLITS:
        for number, shard in enumerate(manifest.shards[split]):
            with (records / shard.name).open("rb") as file:
                for data in read_frames(file, shard.bytes):
                    yield split, number, decode_record(data)


def findings(records: Path, sample: int | None = None) -> list[str]:
    """What `verify` finds, in this process; the line of a manifest that cannot be trusted is a finding too."""
    try:
        manifest, found = check_files(str(records))
    except UserError as error:
        return [str(error)]
    found += check_receipts(manifest)
    for check in shard_checks(manifest, sample):
        found += check_shard(check).findings
    return found
