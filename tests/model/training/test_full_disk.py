"""A disk that is full is told as that, and once there is room the same training resumes."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.training.failures import name_full_disk
from model.training.run_folder import RunFolder
from pipeline.records.manifest import Manifest
from tests.model.small_training import SmallTraining
from tests.model.tiny import run_command
from tests.record_sets import write_record_set

pytestmark = pytest.mark.any_stack


def mounted(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, where this user may mount one."""
    yield from mounted(tmp_path / "disk", "4m")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB, where this user may mount one."""
    yield from mounted(tmp_path / "disk", "64m")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("records"), train=8, val=0, test=0)


@pytest.fixture(scope="module")
def whole(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> SmallTraining:
    """Two epochs of two steps, with room enough."""
    training = SmallTraining(manifest, tmp_path_factory.mktemp("runs") / "whole", epoch_steps=2, backup_steps=1)
    training.train(epochs=2)
    return training


def fill(disk: Path, left: int) -> Path:
    """Takes all space but so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError) as full:
        while True:
            file.write(b"\0" * 4096)
    assert full.value.errno == errno.ENOSPC
    with filler.open("ab") as file:
        file.truncate(max(0, filler.stat().st_size - left))
    return filler


@pytest.mark.long
@pytest.mark.parametrize("left", [0, 8 << 10, 100 << 10])
def test_whatever_does_not_fit_is_named_and_nothing_is_lost(
    left: int, small_disk: Path, manifest: Manifest, whole: SmallTraining
) -> None:
    run = small_disk / "run"
    first = SmallTraining(manifest, run, epoch_steps=2, backup_steps=1)
    first.train()
    filler = fill(small_disk, left)
    with pytest.raises(OSError) as full:
        first.train(epochs=3)
    assert full.value.errno == errno.ENOSPC and str(full.value.filename).startswith(str(run))
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]  # nothing unfinished takes space

    filler.unlink()
    resumed = SmallTraining(manifest, run, epoch_steps=2, backup_steps=1)
    assert resumed.restored is not None
    if resumed.progress.step < 4:
        resumed.train(epochs=2 - resumed.progress.step // 2)
        for name, value in whole.values().items():
            np.testing.assert_array_equal(value, resumed.values()[name], err_msg=name)


def test_memory_that_ran_out_is_not_a_full_disk(tmp_path: Path) -> None:
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    with pytest.raises(tf.errors.ResourceExhaustedError), name_full_disk(tmp_path / "file"):
        raise error


@pytest.mark.long
@pytest.mark.parametrize("left", [100 << 10, 2 << 20, 6 << 20, 9 << 20])
def test_the_command_says_so_in_one_line_and_resumes(left: int, disk: Path, tmp_path: Path) -> None:
    records, run = tmp_path / "records", disk / "run"
    write_record_set(records)
    run.mkdir()
    command = ("model.train", "--config=tiny", f"--records={records}", f"--run={run}", "--backup_steps=1")
    filler = fill(disk, left)
    printed = run_command(*command, status=1)
    (line,) = (line for line in printed.splitlines() if line.startswith("error: "))
    assert f"cannot write {run}/" in line and "no space left" in line and "Traceback" not in printed
    filler.unlink()
    run_command(*command)
    assert len(RunFolder(run).history.read_text().splitlines()) == 3
