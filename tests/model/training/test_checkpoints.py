"""Checkpoints are found by their own names, whatever happened to TensorFlow's list of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.distribution.workers import Worker
from model.training.checkpoints import BestCheckpoint, LastCheckpoints, Progress, restore_best
from model.training.run_folder import RunFolder
from pipeline.errors import UserError


class Training:
    """A network of one weight, which is the number of its step."""

    def __init__(self, folder: RunFolder) -> None:
        self.network = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False)])
        self.network.build([None, 1])
        self.progress = Progress.begin()
        detector: Any = SimpleNamespace(
            network=self.network, optimizer=tf.keras.optimizers.SGD(), means={}, averages=None
        )
        self.last = LastCheckpoints(folder, detector, self.progress, Worker())

    def save(self, step: int) -> None:
        self.network.set_weights([np.full([1, 1], step, np.float32)])
        self.progress.step.assign(step)
        self.last.save()

    def weight(self) -> float:
        return float(self.network.get_weights()[0][0, 0])


def damage(state: Path, kind: str) -> None:
    text = state.read_text()
    state.write_text({"empty": "", "cut": text[:40], "foreign": "no list of checkpoints"}.get(kind, text))
    if kind == "gone":
        state.unlink()


def steps(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.index"))


@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "foreign"])
def test_a_list_that_is_lost_loses_no_checkpoint(kind: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = Training(folder)
    for step in (2, 9, 10):
        first.save(step)
    assert steps(folder.last) == ["step-10", "step-9"]
    damage(folder.last / "checkpoint", kind)
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-10")
    assert again.weight() == 10 and int(again.progress.step) == 10
    again.save(11)
    assert steps(folder.last) == ["step-10", "step-11"]  # what is too old goes, as ever


@pytest.mark.parametrize("kind", ["gone", "empty", "cut"])
def test_the_best_weights_need_no_list(kind: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    training = Training(folder)
    best = BestCheckpoint(folder, training.network)
    for epoch in (1, 3):
        training.network.set_weights([np.full([1, 1], epoch, np.float32)])
        best.save(epoch)
    damage(folder.best / "checkpoint", kind)
    network = Training(RunFolder(tmp_path / "other")).network
    assert restore_best(folder, network) == str(folder.best / "epoch-3")
    assert network.get_weights()[0][0, 0] == 3
    BestCheckpoint(folder, training.network).save(4)
    assert steps(folder.best) == ["epoch-4"]


def test_a_list_of_nothing_is_no_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.last.mkdir(parents=True)
    (folder.last / "checkpoint").touch()
    assert Training(folder).last.restore() is None
    with pytest.raises(UserError, match="must hold a checkpoint, got none: no epoch is finished yet"):
        restore_best(folder, Training(RunFolder(tmp_path / "other")).network)


def test_best_weights_that_are_broken_are_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    training = Training(folder)
    BestCheckpoint(folder, training.network).save(1)
    (folder.best / "epoch-1.index").write_bytes(b"")
    with pytest.raises(UserError, match=r"epoch-1 must be a whole checkpoint of this run, got"):
        restore_best(folder, training.network)
