"""One configuration and source give one set of bytes: on every runner, with any number of workers, for ever."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beam_jobs.job.entries import limit_items
from beam_jobs.runners.runner import open_pipeline
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
    "train": "3f9e39066bb0ddc348aca5b58b437f4c56c334b5455ed88b0ea4dbf9b087e7de",
    "val": "1ab796ba074512a683e8aae4b3f6b42ea6c7f8fc23e0117f3202b4597ec2b111",
    "test": "f4452328d0b27324412915d80fca0f1c95148a06a58e11c2158c34701ba48de9",
}
GOLDEN_CIFAR10 = {
    "train": "8f1c8524b1ff4d91263eb176c37a02e55203a4204e3d04ce446a4e35a5cd658c",
    "val": "8b09f59137167c128b60af17d23423acdb677aca704d01b1b9bd0f1cacba0382",
    "test": "54925961890a7666825464a720d82d8c1ac35339ae89c6ae8e398f6b4d3d4f48",
}
# Views do not change what is evaluated.
GOLDEN_VIEWS = GOLDEN_DIGITS | {
    "train": "3bd0814ebd5d022f2c1d74380b02bfb0be13f2c8a2aa262e303bf28b2b40c4f5",
}
GOLDEN_IMAGES = {
    "train": "bd5669fbaa0d7b6bd75cf4e47d34190f7a59444ef0c13456c8ca5ca3172fc9d6",
    "val": "e2e24c5e1df798a6e55c516e28aefd75d7bc78fede308831dfb06688ff72a7c7",
    "test": "980bb23dc43284740282b5f1115ea204d92fc21c1db2f5563dd1762d899ccb7b",
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
    with open_pipeline("portable", workers=0, mode="in_memory", beam_args=options) as pipeline:
        make_set_on(pipeline, tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_the_order_of_the_items_does_not_matter(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.job.job.limit_items", lambda config, items: list(limit_items(config, items))[::-1])
    make_set(tmp_path)
    assert checksums(tmp_path) == checksums(made)


def test_another_seed_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    make_set(tmp_path, replace(DIGITS, seed=1))
    assert digests(tmp_path) != digests(made)
