"""One configuration and source, one set of bytes: on every runner, with any number of workers, for ever."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beam_jobs.job.entries import limited
from beam_jobs.runners.runner import make_pipeline
from beam_jobs.sources.cifar10 import Cifar10
from pipeline.config.records_config import SPLITS
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import CIFAR10, DIGITS, PATIENCE, checksums, local_pipeline, make_set
from tests.cifar10_files import write_cifar10

# Over all shards of a set, in order. They change only with the format of records, and then on purpose.
GOLDEN_DIGITS = "caef8a86efc6727c5d2e11bbdfe0dbfb3b5d3511a071dcca1cc04dd107891a78"
GOLDEN_CIFAR10 = "bb155d5876ad1437fda3687d27618af39c7cd66315ba41d0475f77ad094b8d42"


def whole(records: Path) -> str:
    """One SHA-256 over all shards; their names are left out, which carry the versions of libraries."""
    manifest = load_manifest(str(records))
    digest = hashlib.sha256()
    for split in SPLITS:
        for shard in manifest.shards[split]:
            digest.update((records / shard.name).read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small set of digits, made in this process."""
    records = tmp_path_factory.mktemp("digits")
    make_set(records)
    return records


@pytest.fixture
def job_service() -> Iterator[str]:
    """Beam's portable job service. -> its address."""
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    module = "apache_beam.runners.portability.local_job_service_main"
    service = subprocess.Popen([sys.executable, "-m", module, "-p", str(port)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
            break
        except OSError:
            assert service.poll() is None and time.monotonic() < deadline, "the job service did not start"
            time.sleep(0.05)
    yield f"localhost:{port}"
    service.terminate()
    service.wait(timeout=PATIENCE)


def test_golden_digits(digits: Path) -> None:
    assert whole(digits) == GOLDEN_DIGITS


def test_golden_cifar10(tmp_path: Path) -> None:
    make_set(tmp_path / "records", CIFAR10, source=Cifar10.prepare(str(write_cifar10(tmp_path))))
    assert whole(tmp_path / "records") == GOLDEN_CIFAR10


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_two_workers(mode: str, digits: Path, tmp_path: Path) -> None:
    make_set(tmp_path, pipeline=local_pipeline(mode, workers=2))
    assert checksums(tmp_path) == checksums(digits)


def test_portable_job_service(job_service: str, digits: Path, tmp_path: Path) -> None:
    options = [f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
    make_set(tmp_path, pipeline=make_pipeline("portable", workers=0, mode="in_memory", beam_args=options))
    assert checksums(tmp_path) == checksums(digits)


def test_the_order_of_the_items_does_not_matter(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.job.job.limited", lambda config, items: limited(config, items)[::-1])
    make_set(tmp_path)
    assert checksums(tmp_path) == checksums(digits)


def test_another_seed_gives_other_bytes(digits: Path, tmp_path: Path) -> None:
    make_set(tmp_path, replace(DIGITS, seed=1))
    assert whole(tmp_path) != whole(digits)
