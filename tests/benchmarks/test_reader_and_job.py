"""The parts of the benchmark: the noise it reads, the processes it measures, the table and the goals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.cifar10 import TEST, TRAIN, Cifar10
from beam_jobs.sources.cifar10_pickle import load_batch
from benchmarks import synthetic_cifar10
from benchmarks.commands import measure_python
from benchmarks.goals import require_goals
from benchmarks.reader_and_job_goals import Round, goals, table
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from pipeline.errors import UserError


def test_noise_is_read_as_cifar10_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_cifar10, "BATCH_ROWS", 20)
    source = Cifar10.prepare(str(write_synthetic_cifar10(tmp_path / "data")))
    assert len(source.class_names) == 10
    assert len(source.items()) == 20 * (len(TRAIN) + len(TEST))
    pixels, labels = load_batch(Path(source.folder) / TRAIN[0])
    assert pixels.shape == (20, 32, 32, 3) and np.unique(pixels).size > 250
    assert set(labels.tolist()) <= set(range(10))


def test_a_process_is_timed_with_the_memory_of_its_children() -> None:
    child = "import time; block = bytearray(b'x') * 60_000_000; time.sleep(1.5); print('done')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    measured = measure_python("-c", parent, memory=True)
    assert measured.output == "done\n"
    assert measured.seconds >= 1.5
    if os.path.exists("/proc/self/smaps_rollup"):
        assert 60_000_000 < measured.peak_bytes < 400_000_000


def test_a_process_that_fails_is_reported_with_its_last_line() -> None:
    with pytest.raises(UserError, match=r"failed with status 3: no room$"):
        measure_python("-c", "import sys; print('no room'); sys.exit(3)")


def rounds(job: float = 4000) -> list[Round]:
    return [
        Round(1000, 9000, job, 12.5, 400_000_000, 13_000, 50_000),
        Round(500, 5000, 2500, 20.0, 300_000_000, 13_000, 50_000),
        Round(2000, 12_000, 7000, 7.1, 500_000_000, 13_000, 50_000),
    ]


def test_the_table_shows_medians_and_ratios_within_a_round() -> None:
    lines = table(rounds()).splitlines()
    assert [line.split()[-2] for line in lines[:3]] == ["1,000", "9,000", "4,000"]
    assert lines[3:] == [
        "records job: 50,000 images in 12.5 s, peak memory 400 MB",
        "reader's rate, in generators: 9.0 (goal: at least 8)",
        "records job's rate, in generators: 4.0 (goal: at least 4)",
        "records job's rate, in images/s: 4,000 (goal: at least 3,800)",
        "bytes a record: 13,000 (goal: at most 13,312)",
    ]
    assert all(goal.met for goal in goals(rounds()))


def test_a_goal_that_is_missed_is_named() -> None:
    missed = [str(goal) for goal in goals(rounds(job=3700)) if not goal.met]
    assert missed == [
        "records job's rate, in generators: 3.7 (goal: at least 4)",
        "records job's rate, in images/s: 3,700 (goal: at least 3,800)",
    ]
    assert f"{missed[0]} MISSED" in table(rounds(job=3700))
    with pytest.raises(UserError, match=r"^goals missed on this machine: records job's .* 3\.7 .*; records job's"):
        require_goals(goals(rounds(job=3700)))
    require_goals(goals(rounds()))
