"""Checkpoints of a run: the last ones to go on from, and the best weights to use."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from model.distribution.workers import Worker
from model.training.averages import AveragedWeights
from model.training.detector import Detector
from model.training.run_folder import RunFolder
from pipeline.errors import UserError

KEPT = 2  # a checkpoint that turns out broken leaves the one before

# What TensorFlow raises for files that are cut off, altered, or of another network.
_BROKEN = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Progress:
    """How far a run has come, saved with its weights."""

    step: tf.Variable  # steps done, int64; at the end of an epoch: its evaluation too
    best_ap: tf.Variable  # the best AP on val so far, float64; -1 before the first

    @classmethod
    def begin(cls) -> Progress:
        """Of a run that has not begun."""
        return cls(tf.Variable(0, dtype=tf.int64), tf.Variable(-1.0, dtype=tf.float64))


class LastCheckpoints:
    """Saves and restores weights, averages, optimizer, means of the epoch and progress together.

    All workers must call `save`: some values are read from all of them. The chief's files are the ones that count.
    """

    def __init__(self, folder: RunFolder, detector: Detector, progress: Progress, worker: Worker) -> None:
        self.parts = {
            "network": detector.network,
            "optimizer": detector.optimizer,
            "means": detector.means,
            "step": progress.step,
            "best_ap": progress.best_ap,
        }
        if isinstance(detector.averages, AveragedWeights):
            self.parts["averages"] = detector.averages
        self.detector, self.progress = detector, progress
        self.checkpoint = tf.train.Checkpoint(**self.parts)
        self.folder = folder.last
        _make_counter(self.checkpoint)
        self.manager, self.discarded = None, folder.last.with_name(f"worker-{worker.index}.unfinished")
        if worker.is_chief:
            self.manager = _manager(self.checkpoint, self.folder, kept=KEPT, name="step")

    def save(self) -> None:
        """Saves the state, and goes on from what was saved.

        Where replicas have batch-norm statistics of their own their mean is saved, and each goes on from it, as
        it would after a restart. So it is with their parts of the epoch's means.
        """
        if self.manager is not None:
            self.manager.save(checkpoint_number=int(self.progress.step))
        else:
            tf.train.Checkpoint(**self.parts).write(str(self.discarded / "step"))
            shutil.rmtree(self.discarded, ignore_errors=True)
        means = [variable for mean in self.detector.means.values() for variable in mean.variables]
        for variable in (*self.detector.network.non_trainable_variables, *means):
            variable.assign(variable.read_value())

    def restore(self) -> str | None:
        """Restores the newest checkpoint that is whole. -> its path, or None where there is none.

        Raises `UserError` where there are checkpoints, all of them broken.
        """
        paths = _newest_first(self.folder)
        for path in paths:
            try:
                self.checkpoint.restore(path).assert_consumed()
                return path
            except _BROKEN as error:
                reason = str(error).splitlines()[0]
                print(f"{path} is broken ({reason}); trying the one before", flush=True)
        if paths:
            raise UserError(f"{self.folder} must hold a whole checkpoint, got none; choose "
                            "another --run, or remove the folder to train from the start")  # fmt: skip
        return None


class BestCheckpoint:
    """Saves the weights of a network in place of the best before. Made outside of the scope of a strategy."""

    def __init__(self, folder: RunFolder, network: tf.keras.Model) -> None:
        checkpoint = tf.train.Checkpoint(network=network)
        self.manager = _manager(checkpoint, folder.best, kept=1, name="epoch")
        _make_counter(checkpoint)

    def save(self, epoch: int) -> None:
        """Saves them as those of an epoch."""
        self.manager.save(epoch)


def restore_best(folder: RunFolder, network: tf.keras.Model) -> str:
    """Loads the best weights of a run into a network of the same shape. -> their path.

    Raises `UserError` where there are none, or broken ones.
    """
    paths = _newest_first(folder.best)
    if not paths:
        raise UserError(f"{folder.best} must hold a checkpoint, got none: no epoch is finished yet")
    for path in paths:  # two, where a save was cut short
        try:
            tf.train.Checkpoint(network=network).restore(path).expect_partial().assert_existing_objects_matched()
            return path
        except _BROKEN as error:
            reason = str(error).splitlines()[0]
    raise UserError(f"{paths[0]} must be a whole checkpoint of this run, got {reason}")


def _newest_first(folder: Path) -> list[str]:
    """The checkpoints of a folder, by their own names: TensorFlow's list of them may be lost, or cut off."""
    numbers = {path: re.fullmatch(r"[a-z]+-(\d+)\.index", path.name) for path in folder.glob("*.index")}
    found = sorted((int(match[1]), str(path.with_suffix(""))) for path, match in numbers.items() if match)
    return [path for _, path in reversed(found)]


def _manager(checkpoint: tf.train.Checkpoint, folder: Path, *, kept: int, name: str) -> tf.train.CheckpointManager:
    """A manager of all checkpoints that are there, whatever TensorFlow's list of them says."""
    if paths := _newest_first(folder):
        tf.compat.v1.train.update_checkpoint_state(
            str(folder),
            paths[0],
            all_model_checkpoint_paths=paths[::-1],
            all_model_checkpoint_timestamps=[float(k + 1) for k in range(len(paths))],  # in order is all that counts
        )
    else:
        (folder / "checkpoint").unlink(missing_ok=True)
    return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=kept, checkpoint_name=name)


def _make_counter(checkpoint: tf.train.Checkpoint) -> None:
    """Makes the counter of saves now. One made in a callback would be the strategy's, and workers would wait there."""
    checkpoint.save_counter.read_value()
