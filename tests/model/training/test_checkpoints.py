"""Checkpoints are found by their names, and broken ones are told from whole ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.distribution.workers import Rank
from model.training import checkpoints
from model.training.checkpoints import BestCheckpoint, LastCheckpoints, Progress, restore_best
from model.training.run_folder import RunFolder
from model.training.step_losses import StepLosses
from model.training.train_step import TrainState
from pipeline.errors import UserError


class Training:
    """A network of one weight, which is the number of its step."""

    def __init__(self, folder: RunFolder, rank: Rank | None = None) -> None:
        self.network = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False)])
        self.network.build([None, 1])
        self.progress = Progress()
        state = TrainState(self.network, tf.keras.optimizers.SGD(), None, StepLosses())
        self.last = LastCheckpoints(folder, state, self.progress, rank or Rank())

    def save(self, step: int) -> None:
        self.network.set_weights([np.full([1, 1], step, np.float32)])
        self.progress.step, self.progress.best_ap, self.progress.stale = step, step / 100, step + 1
        self.last.save()

    def weight(self) -> float:
        return float(self.network.get_weights()[0][0, 0])


def files(folder: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder.iterdir() if path.suffix == ".index")


def test_the_newest_are_kept_and_the_last_is_restored(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = Training(folder)
    assert first.last.restore() is None
    for step in (2, 9, 10):
        first.save(step)
    assert files(folder.last) == ["step-10", "step-9"]
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-10")
    assert again.weight() == 10 and again.progress == Progress(step=10, best_ap=0.1, stale=11)
    again.save(11)
    assert files(folder.last) == ["step-10", "step-11"]
    assert {path.name.partition(".")[0] for path in folder.last.iterdir()} == {"step-10", "step-11"}


def test_a_broken_checkpoint_leaves_the_one_before_and_is_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = Training(folder)
    for step in (1, 2):
        first.save(step)
    (folder.last / "step-2.index").write_bytes(b"")
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-1") and again.weight() == 1
    again.save(2)
    assert Training(folder).last.restore() == str(folder.last / "step-2")
    for step in (1, 2):
        (folder.last / f"step-{step}.index").write_bytes(b"")
    with pytest.raises(UserError, match="holds only broken checkpoints"):
        Training(folder).last.restore()


@pytest.mark.parametrize("error", [tf.errors.UnknownError(None, None, "Input/output error"), PermissionError(13, "no")])
def test_a_checkpoint_that_cannot_be_read_now_is_kept(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on from the one before, or removing the folder as for broken ones, would lose good weights."""
    folder = RunFolder(tmp_path)
    first = Training(folder)
    for step in (1, 2):
        first.save(step)

    def fails(*_: object) -> None:
        raise error

    if isinstance(error, OSError):
        monkeypatch.setattr(checkpoints, "open_regular", fails)
    else:
        monkeypatch.setattr(tf.train.Checkpoint, "read", fails)
    with pytest.raises((UserError, OSError)) as raised:
        Training(folder).last.restore()
    if isinstance(raised.value, UserError):
        assert str(raised.value) == (
            f"{folder.last / 'step-2'} cannot be read now: Input/output error; it may be whole, so keep it, and run "
            "the same command again later"
        )
    else:
        assert raised.value is error
    monkeypatch.undo()
    assert Training(folder).last.restore() == str(folder.last / "step-2")


def test_what_an_interrupted_save_leaves_is_no_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    Training(folder).save(1)
    (folder.last / ".unfinished.index").touch()
    (folder.last / "step-2.data-00000-of-00001").touch()
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-1")
    again.save(2)
    assert sorted(path.name for path in folder.last.iterdir() if "step-1" not in path.name) == [
        "step-2.data-00000-of-00001",
        "step-2.index",
    ]


def test_a_rank_that_is_not_the_chief_leaves_no_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    Training(folder, Rank(1, 2)).save(1)
    assert not list(folder.last.iterdir())


def test_a_checkpoint_of_tensorflows_manager_can_be_restored(tmp_path: Path) -> None:
    """It holds a counter of saves besides."""
    folder = RunFolder(tmp_path)
    first = Training(folder)
    first.save(3)
    checkpoint = first.last.checkpoint
    tf.train.CheckpointManager(checkpoint, str(folder.last), 2, checkpoint_name="step").save(checkpoint_number=4)
    again = Training(folder)
    assert again.last.restore() == str(folder.last / "step-4") and again.weight() == 3


def test_the_best_weights_replace_those_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    training = Training(folder)
    best = BestCheckpoint(folder, training.network)
    for epoch in (1, 3):
        training.network.set_weights([np.full([1, 1], epoch, np.float32)])
        best.save(epoch)
    network = Training(RunFolder(tmp_path / "other")).network
    assert restore_best(folder, network) == str(folder.best / "epoch-3")
    assert network.get_weights()[0][0, 0] == 3
    BestCheckpoint(folder, training.network).save(4)
    assert files(folder.best) == ["epoch-4"]


def test_best_weights_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    training = Training(folder)
    with pytest.raises(UserError, match="holds no checkpoint: no epoch is finished yet"):
        restore_best(folder, training.network)
    BestCheckpoint(folder, training.network).save(1)
    (folder.best / "epoch-1.index").write_bytes(b"")
    with pytest.raises(UserError, match=r"epoch-1 is no whole checkpoint of this run: "):
        restore_best(folder, training.network)
