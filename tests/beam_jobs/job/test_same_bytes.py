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
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.record_job import CIFAR10, DIGITS, IMAGES, VIEWS, checksums, make_set, make_set_on
from tests.cifar10_files import write_cifar10
from tests.commands import PATIENCE, wait_until
from tests.processes import answers, free_port

# Over all shards of a split, in order. They change only with the format of records, on purpose.
GOLDEN_DIGITS = {
    "train": "9f581ea443f1a8ae8ff41fb834bf26256ae51eec9b3b2592eb6fc886b6dee216",
    "val": "292d3cf3aa0116f8d56021876a753381522aa2af393e5bef37d48a113b50261f",
    "test": "1eaf63a377a95fea15f87711fb19eef699f81535c744dc8146c75acef9acf0b3",
}
GOLDEN_CIFAR10 = {
    "train": "ae8a0402782ca9625ec46ad7410f3e9769fd63adec5706046f08604886c8f8db",
    "val": "81a721f8edd1baf491f718b9c10f25a87f4ffdbb41d5cbfb619a91a2ed837bf5",
    "test": "8f318e7cf9f45390bcb2027e9505e16f34dd6e703b48967d067a4b8eb31a261f",
}
# Views do not change what is evaluated.
GOLDEN_VIEWS = GOLDEN_DIGITS | {
    "train": "b72f412eeb40cb7257a9d0a766ede6dc9ac764d3a7d8c24c196791992ae27d15",
}
GOLDEN_IMAGES = {
    "train": "b797fde207e56c96fb42cf5be2c5be0511c3988651d7170ea9452f92859a6bb5",
    "val": "e16212d21e874fa8366eaa2a397d771fb7309f6a9f7d3d167528106b4988210c",
    "test": "7008dea324f7eb2d2cf7f678594932c137879a90ea43d7e1714da28aba908e92",
}


def digests(records: Path) -> dict[str, str]:
    """One SHA-256 over the shards of each split, without their names, which depend on the versions of libraries."""
    manifest = load_manifest(str(records))
    return {
        split: hashlib.sha256(b"".join((records / s.name).read_bytes() for s in manifest.shards(split))).hexdigest()
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
