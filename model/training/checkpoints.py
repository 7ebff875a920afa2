"""Checkpoints of a run: the last ones, to resume from, and the best weights, to use."""

from __future__ import annotations

import tensorflow as tf

from model.distribution.workers import Rank
from model.training.averages import AveragedWeights
from model.training.checkpoint_folder import BrokenCheckpoint, CheckpointFolder
from model.training.detector import Detector
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from pipeline.errors import UserError, printable

KEPT = 2  # if the newest is broken, the one before is used


class LastCheckpoints:
    """Saves and restores weights, averages, optimizer, means of the epoch and progress together.

    All ranks must call `save`, because some values are read from all of them. Only the chief writes files.
    """

    def __init__(self, folder: RunFolder, detector: Detector, progress: Progress, rank: Rank) -> None:
        self.step, self.best_ap = tf.Variable(0, dtype=tf.int64), tf.Variable(-1.0, dtype=tf.float64)
        parts = {
            "network": detector.network,
            "optimizer": detector.optimizer,
            "means": detector.means,
            "step": self.step,
            "best_ap": self.best_ap,
        }
        if isinstance(detector.averages, AveragedWeights):
            parts["averages"] = detector.averages
        self.detector, self.progress, self.rank = detector, progress, rank
        self.checkpoint = tf.train.Checkpoint(**parts)
        self.files = _last_files(folder)

    def save(self) -> None:
        """Saves the state, and continues from what was saved.

        Replicas may have batch-norm statistics of their own. Their mean is saved, and every replica continues with the
        mean, as it would after a restart. The same goes for their shares of the epoch's means.
        """
        self.step.assign(self.progress.step)
        self.best_ap.assign(self.progress.best_ap)
        if self.rank.is_chief:
            self.files.write(self.checkpoint, self.progress.step)
        else:
            self.files.take_part(self.checkpoint, self.rank.index)
        means = [variable for mean in self.detector.means.values() for variable in mean.variables]
        for variable in (*self.detector.network.non_trainable_variables, *means):
            variable.assign(variable.read_value())

    def restore(self) -> str | None:
        """Restores the newest checkpoint that is whole. -> its path, or None if there are no checkpoints.

        Raises `UserError` if all of them are broken.
        """
        numbers = self.files.newest_first()
        for number in numbers:
            path = self.files.path_of(number)
            try:
                self.files.restore(self.checkpoint, number)
            except BrokenCheckpoint as error:
                print(printable(f"{path} is broken ({error}); trying the one before"), flush=True)
                continue
            self.progress.step, self.progress.best_ap = int(self.step), float(self.best_ap)
            return str(path)
        if numbers:
            raise UserError(
                f"{self.files.path} must hold a whole checkpoint, got only broken ones; choose another --run, or "
                "remove the folder to train from the start"
            )
        return None


class BestCheckpoint:
    """Saves the weights of a network in place of the best so far. Make it outside the scope of a strategy."""

    def __init__(self, folder: RunFolder, network: tf.keras.Model) -> None:
        self.checkpoint = tf.train.Checkpoint(network=network)
        self.files = _best_files(folder)

    def save(self, epoch: int) -> None:
        """Saves the network's weights as those of an epoch."""
        self.files.write(self.checkpoint, epoch)


def restore_best(folder: RunFolder, network: tf.keras.Model) -> str:
    """Loads the best weights of a run into a network of the same shape. -> their path.

    Raises `UserError` if there are none, or only broken ones.
    """
    files = _best_files(folder)
    reasons = []
    for number in files.newest_first():  # two if a save was interrupted
        try:
            files.restore(tf.train.Checkpoint(network=network), number)
            return str(files.path_of(number))
        except BrokenCheckpoint as error:
            reasons.append(f"{files.path_of(number)} must be a whole checkpoint of this run, got: {error}")
    if not reasons:
        raise UserError(f"{folder.best} must hold a checkpoint, got none: no epoch is finished yet")
    raise UserError(reasons[0])


def has_checkpoints(folder: RunFolder) -> bool:
    """Whether a run has begun: whether it has checkpoints to resume from, broken ones too."""
    return bool(_last_files(folder).newest_first())


def _last_files(folder: RunFolder) -> CheckpointFolder:
    return CheckpointFolder(folder.last, "step", kept=KEPT)


def _best_files(folder: RunFolder) -> CheckpointFolder:
    return CheckpointFolder(folder.best, "epoch", kept=1)
