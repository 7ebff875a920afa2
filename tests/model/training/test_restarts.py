"""A training that was killed at any step resumes as if it had never stopped."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.run_log import EpochRow, read_history
from tests.model.tiny import LONG, last_checkpoint, popen_command, run_command, wait_for_backup
from tests.record_sets import write_record_set

pytestmark = pytest.mark.long

FLAGS = ("--deterministic", "--backup_steps=1", "--strategy=mirrored", "--replicas=2")


def train(records: Path, run: Path) -> tuple[str, ...]:
    return ("model.train", "--config=tiny", f"--records={records}", f"--run={run}", *FLAGS)


def kill_after_backup(step: int, command: tuple[str, ...], run: Path) -> None:
    """Starts a training and kills it as soon as the backup of a step is there."""
    process = popen_command(*command)
    wait_for_backup(run, step, process)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def history(run: Path) -> list[EpochRow]:
    """Without the times, which differ."""
    return [replace(row, seconds=0, images_per_second=0, input_wait=0) for row in read_history(run / "history.csv")]


def last_state(run: Path) -> dict[str, Any]:
    """Every value of the last checkpoint."""
    path = last_checkpoint(run)
    names = [name for name, _ in tf.train.list_variables(path) if not name.startswith("_CHECK")]
    return {name: tf.train.load_variable(path, name) for name in names}


def break_newest(run: Path) -> str:
    """Cuts off the newest checkpoint. -> its path."""
    newest = last_checkpoint(run)
    for data in Path(newest).parent.glob(f"{Path(newest).name}.data*"):
        data.write_bytes(data.read_bytes()[:1000])
    return newest


def test_killed_twice_and_its_newest_checkpoint_broken_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    records = tmp_path / "records"
    write_record_set(records)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    printed = run_command(*train(records, whole))
    assert "strategy mirrored, replicas 2 on CPU:0, CPU:1, global batch 4 (2 a replica)" in printed
    kill_after_backup(2, train(records, killed), killed)
    kill_after_backup(4, train(records, killed), killed)
    broken = break_newest(killed)
    printed = run_command(*train(records, killed))
    assert f"{broken} is broken" in printed and re.search(r"resumed from .*, step [345]$", printed, re.MULTILINE)
    assert history(killed) == history(whole)
    expected, found = last_state(whole), last_state(killed)
    assert expected.keys() == found.keys() and len(found) > 100
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    write_record_set(records)
    first = popen_command(*train(records, run))
    try:
        deadline = time.monotonic() + LONG
        while not (run / "config.json").exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        first.send_signal(signal.SIGSTOP)
        printed = run_command(*train(records, run), status=1)
        assert f"another training is using {run}" in printed
    finally:
        first.kill()
        first.wait()
