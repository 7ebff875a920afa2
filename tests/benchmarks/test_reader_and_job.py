"""The parts of the benchmark: the noise it reads, the processes it measures, the table and the goals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.cifar10.batch_file import load_batch
from beam_jobs.sources.cifar10.folders import TEST, TRAIN
from beam_jobs.sources.cifar10.reader import Cifar10
from beam_jobs.sources.data_paths import DataPaths
from benchmarks import synthetic_cifar10
from benchmarks.commands import measure_python
from benchmarks.goals import goal_lines, require_goals
from benchmarks.reader_and_job_goals import Round, goals, table
from benchmarks.synthetic_cifar10 import write_synthetic_cifar10
from pipeline.errors import UserError


def test_noise_is_read_as_cifar10_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_cifar10, "BATCH_ROWS", 20)
    source = Cifar10.prepare(DataPaths(str(write_synthetic_cifar10(tmp_path / "data"))))
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


def a_round(generator: float, one_view: float, job: float, seconds: float, peak: int) -> Round:
    return Round(
        generator=generator,
        one_view=one_view,
        many_views=one_view * 0.75,
        dense=one_view / 2,
        job=job,
        job_seconds=seconds,
        peak_bytes=peak,
        record_bytes=13_000,
        many_bytes=22_000,
        feed_bytes=13_116,
        examples=50_000,
    )


def rounds(job: float = 4000) -> list[Round]:
    return [
        a_round(1000, 45_000, job, 12.5, 400_000_000),
        a_round(500, 25_000, 2500, 20.0, 300_000_000),
        a_round(2000, 60_000, 7000, 7.1, 500_000_000),
    ]


def test_the_table_shows_medians_and_ratios_within_a_round() -> None:
    lines = table(rounds())
    rates = ["1,000", "45,000", "33,750", "22,500", "4,000"]
    assert [line.split()[-2] for line in lines[:5]] == rates
    assert lines[5:] == ["records job: 50,000 images in 12.5 s, peak memory 400 MB"]
    assert goal_lines(goals(rounds())) == [
        "reader, one view, times as fast as the generator: 45.0 (goal: at least 40)",
        "reader, 16 views, times as fast as the generator: 33.8 (goal: at least 25)",
        "records job, times as fast as the generator: 4.0 (goal: at least 4)",
        "records job's rate, in images/s: 4,000 (goal: at least 3,800)",
        "bytes a record, one view: 13,000 (goal: at most 13,312)",
        "bytes a record, 16 views: 22,000 (goal: at most 24,576)",
        "bytes to the device, an image: 13,116 (goal: at most 16,384)",
    ]
    assert all(goal.met for goal in goals(rounds()))


def test_a_goal_that_is_missed_is_named() -> None:
    missed = [str(goal) for goal in goals(rounds(job=3700)) if not goal.met]
    assert missed == [
        "records job, times as fast as the generator: 3.7 (goal: at least 4)",
        "records job's rate, in images/s: 3,700 (goal: at least 3,800)",
    ]
    assert f"{missed[0]} MISSED" in goal_lines(goals(rounds(job=3700)))
    with pytest.raises(UserError, match=r"^goals missed on this machine: records job, .* 3\.7 .*; records job's"):
        require_goals(goals(rounds(job=3700)))
    require_goals(goals(rounds()))
