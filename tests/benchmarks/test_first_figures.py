"""The benchmark's own parts: the noise it reads, the processes it watches, the table it prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.cifar10 import TEST, TRAIN, Cifar10
from beam_jobs.sources.cifar10_pickle import load_batch
from benchmarks import synthetic_cifar10
from benchmarks.first_figures import Round, table
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from benchmarks.whole_process import run_whole_process
from pipeline.errors import UserError


def test_noise_is_read_as_cifar10_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_cifar10, "BATCH_ROWS", 20)
    source = Cifar10.prepare(str(write_synthetic_cifar10(tmp_path / "data")))
    assert len(source.class_names) == 10
    assert len(source.items()) == 20 * (len(TRAIN) + len(TEST))
    pixels, labels = load_batch(Path(source.folder) / TRAIN[0])
    assert pixels.shape == (20, 32, 32, 3) and np.unique(pixels).size > 250
    assert set(labels.tolist()) <= set(range(10))


def test_a_process_is_timed_with_the_memory_of_its_children(tmp_path: Path) -> None:
    child = "import time; block = bytearray(b'x') * 60_000_000; time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    finished = run_whole_process([sys.executable, "-c", parent], cwd=tmp_path)
    assert finished.seconds >= 1.5
    if os.path.exists("/proc/self/smaps_rollup"):
        assert 60_000_000 < finished.peak_bytes < 400_000_000


def test_a_process_that_fails_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must end with status 0, got 3: no room$"):
        run_whole_process([sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"], cwd=tmp_path)


def test_the_table_shows_medians_and_ratios_within_a_round() -> None:
    rounds = [
        Round(1000, 9000, 4000, 12.5, 400_000_000, 13_000, 50_000),
        Round(500, 5000, 2500, 20.0, 300_000_000, 13_000, 50_000),
        Round(2000, 12_000, 7000, 7.1, 500_000_000, 13_000, 50_000),
    ]
    lines = table(rounds).splitlines()
    assert lines[1].split()[-2:] == ["1,000", "1.0"]
    assert "9,000     9.0  ratio >= 8" in lines[2]
    assert "4,000     4.0  >= 3,800, ratio >= 4" in lines[3]
    assert lines[4] == "records job: 50,000 images in 12.5 s, peak memory 400 MB"
    assert lines[5] == "bytes a record: 13,000 (goal <= 13,312)"
