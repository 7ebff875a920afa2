"""One configuration and source give one set of bytes: on every runner, with any number of workers, for ever."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beam_jobs.job.entries import limited
from beam_jobs.runners.runner import pipeline_on
from beam_jobs.sources.cifar10 import Cifar10
from pipeline.config.records_config import SPLITS
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import CIFAR10, DIGITS, checksums, make_set, make_set_on
from tests.cifar10_files import write_cifar10
from tests.commands import PATIENCE, wait_until
from tests.processes import answers, free_port

# Over all shards of a split, in order. They change only with the format of records, on purpose.
GOLDEN_DIGITS = {
    "train": "a7c83e31d0b467627e7f1b955e9a25a03e75d787c3e8f2546d836cf3aa542412",
    "val": "77f6503bc88ba4c6930b97a28faf32fe9a3747e254b8570cc286371f8de7e9ab",
    "test": "02ff7da50cdb9f11a04b5a5ec19a25bbef12a5d59f8d15310c19e26867634cc6",
}
GOLDEN_CIFAR10 = {
    "train": "b7a342040458fb8d0e0e91900777bdd5fa0e2d2da410eb96a1e41fee8d31967a",
    "val": "3b5c6ed893cf72ae28995cfeecca339b5bddc0375985f81f90750615802c192f",
    "test": "4121e431f62f610cb4c0fbfcad5cf86950d963b48ec183c98a7346606d5d3532",
}


def digests(records: Path) -> dict[str, str]:
    """One SHA-256 over the shards of each split, without their names, which depend on the versions of libraries."""
    manifest = load_manifest(str(records))
    return {
        split: hashlib.sha256(b"".join((records / s.name).read_bytes() for s in manifest.shards[split])).hexdigest()
        for split in SPLITS
    }


@pytest.fixture
def job_service() -> Iterator[str]:
    """The address of Beam's portable job service."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    service = subprocess.Popen([sys.executable, "-m", module, "-p", str(port)], stderr=subprocess.DEVNULL)
    wait_until(lambda: answers(port))
    yield f"localhost:{port}"
    service.terminate()
    service.wait(timeout=PATIENCE)


def test_golden_digits(made: Path) -> None:
    assert digests(made) == GOLDEN_DIGITS


def test_golden_cifar10(tmp_path: Path) -> None:
    make_set(tmp_path / "records", CIFAR10, source=Cifar10.prepare(str(write_cifar10(tmp_path))))
    assert digests(tmp_path / "records") == GOLDEN_CIFAR10


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_two_workers(mode: str, made: Path, tmp_path: Path) -> None:
    make_set(tmp_path, mode=mode, workers=2)
    assert checksums(tmp_path) == checksums(made)


def test_portable_job_service(job_service: str, made: Path, tmp_path: Path) -> None:
    options = [f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
    with pipeline_on("portable", workers=0, mode="in_memory", beam_args=options) as pipeline:
        make_set_on(pipeline, tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_the_order_of_the_items_does_not_matter(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.job.job.limited", lambda config, items: limited(config, items)[::-1])
    make_set(tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_another_seed_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    make_set(tmp_path, replace(DIGITS, seed=1))
    assert digests(tmp_path) != digests(made)
