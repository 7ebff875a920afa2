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
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from pipeline.config.records_config import SPLITS
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import CIFAR10, DIGITS, IMAGES, VIEWS, checksums, make_set, make_set_on
from tests.cifar10_files import write_cifar10
from tests.commands import PATIENCE, wait_until
from tests.processes import answers, free_port

# Over all shards of a split, in order. They change only with the format of records, on purpose.
GOLDEN_DIGITS = {
    "train": "2d176da41f4762dd5a61d487e58b6a4632ba8e192d93735e1a49aa343d8a2fef",
    "val": "f3be06dcce7bbcd85b9b26b64f971b24ed16bc1e5b303fcc457d083ff1c5ad59",
    "test": "9be11d50997cfd0143979171483894d523ba6727c395ac074b30ce31ccf7aee4",
}
GOLDEN_CIFAR10 = {
    "train": "d59c5174948bacf0f1be63830f04eaf7edfbfb29e675cc80dcc5f981c214e234",
    "val": "eab9ec3cbd3b36569dc76479790e42493af0330a75ca0b38b93efbad41d877f4",
    "test": "ca5f543d6c6137a86b69f9bd39eb9f4595ba840a23b12a4d44890ca07862ae2d",
}
# Views do not change what is evaluated.
GOLDEN_VIEWS = GOLDEN_DIGITS | {
    "train": "1090bf693bd529f435e3d24e9c28a0976e134b88a08cca88b804e0f11b3731b6",
}
GOLDEN_IMAGES = {
    "train": "8a95afa95ca6f3ca55f88b05a983ecc7a76fc36fa4e18a849c1b9f1bb478671c",
    "val": "4912bd5fbe919d09d916d6731ecac1567f4dd9d0322a1d28eb1777891e0ce510",
    "test": "e9f9b063111a33f8d3a660bf6cdfa7d9fd67fb1890a91189742593d7d1c25e6f",
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
    make_set(tmp_path / "records", CIFAR10, source=Cifar10.prepare(DataPaths(str(write_cifar10(tmp_path)))))
    assert digests(tmp_path / "records") == GOLDEN_CIFAR10


def test_golden_views(tmp_path: Path) -> None:
    make_set(tmp_path, VIEWS)
    assert digests(tmp_path) == GOLDEN_VIEWS


def test_golden_images(tmp_path: Path) -> None:
    """Images with boxes of their own. They are PNG and not scaled, so that no library decides their bytes."""
    make_set(tmp_path / "records", IMAGES, source=write_images(tmp_path / "images", 20, formats=("png",)))
    assert digests(tmp_path / "records") == GOLDEN_IMAGES


@pytest.mark.long
@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_two_workers(mode: str, made: Path, tmp_path: Path) -> None:
    make_set(tmp_path, mode=mode, workers=2)
    assert checksums(tmp_path) == checksums(made)


def test_two_workers_draw_the_same_views(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 20, formats=("png",))
    make_set(tmp_path / "records", IMAGES, source=source, mode="multi_threading", workers=2)
    assert digests(tmp_path / "records") == GOLDEN_IMAGES


def test_portable_job_service(job_service: str, made: Path, tmp_path: Path) -> None:
    options = [f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
    with pipeline_on("portable", workers=0, mode="in_memory", beam_args=options) as pipeline:
        make_set_on(pipeline, tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_the_order_of_the_items_does_not_matter(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.job.job.limited", lambda config, items: list(limited(config, items))[::-1])
    make_set(tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_another_seed_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    make_set(tmp_path, replace(DIGITS, seed=1))
    assert digests(tmp_path) != digests(made)
