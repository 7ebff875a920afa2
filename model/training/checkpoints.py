"""Checkpoints of a run: the last states, to resume from, and the best weights, to use.

They are numbered in a folder, written whole, found by their names, and the old ones are removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from model.distribution.workers import Rank
from model.training.averages import AveragedWeights
from model.training.failures import name_full_disk
from model.training.run_folder import RunFolder
from model.training.train_step import TrainState
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError, format_count, make_printable
from pipeline.files import open_regular, sync

KEPT = 2  # if the newest is broken, the one before is used

# What TensorFlow raises for files that are cut off, altered, or of another network,
_BROKEN = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)
# and for files that may be whole: the disk, the network or the memory fails.
_UNREADABLE = (
    *(tf.errors.PermissionDeniedError, tf.errors.ResourceExhaustedError, tf.errors.UnavailableError),
    *(tf.errors.DeadlineExceededError, tf.errors.UnknownError, tf.errors.AbortedError),
)

_PATTERN = re.compile(r"[*?\[\]\\]")  # TensorFlow treats a checkpoint's path as a glob pattern


@dataclass
class Progress:
    """How far a run has come, in numbers of the host: a variable on an accelerator would wait for the step to end."""

    step: int = 0  # steps done; a checkpoint at the end of an epoch also has its evaluation
    best_ap: float = -1.0  # the best AP on val; -1 before the first evaluation
    stale: int = 0  # evaluations since then that were no better

    def note(self, ap: float | None) -> None:
        """Counts an evaluation; None if val shows no object to be found, so that nothing can be compared."""
        if ap is not None:
            self.stale = 0 if ap > self.best_ap else self.stale + 1
            self.best_ap = max(ap, self.best_ap)


def find_reason_to_end(progress: Progress, training: TrainingConfig, *, epoch_steps: int) -> str | None:
    """Why a training has come to its end, as it follows "done: "; None if it has not."""
    epochs = progress.step // epoch_steps
    if training.patience is not None and progress.stale >= training.patience and epochs < training.epochs:
        stale = format_count(progress.stale, "evaluation")
        return f"{epochs} of {format_count(training.epochs, 'epoch')}, because AP on val has not risen for {stale}"
    return format_count(epochs, "epoch") if epochs == training.epochs else None


class LastCheckpoints:
    """Saves and restores weights, optimizer, averages, the epoch's losses and progress together.

    All ranks must call `save`, because some values are read from all of them. Only the chief writes files.
    """

    def __init__(self, folder: RunFolder, state: TrainState, progress: Progress, rank: Rank) -> None:
        self.state, self.progress, self.rank = state, progress, rank
        self.numbers = {
            "step": tf.Variable(0, dtype=tf.int64),
            "best_ap": tf.Variable(-1.0, dtype=tf.float64),
            "stale": tf.Variable(0, dtype=tf.int64),
        }
        parts = {"network": state.network, "optimizer": state.optimizer, "losses": state.losses.sums, **self.numbers}
        if isinstance(state.averages, AveragedWeights):  # an optimizer's are its slots
            parts["averages"] = state.averages
        self.checkpoint = tf.train.Checkpoint(**parts)
        self.files = _open_last_folder(folder)

    def save(self) -> None:
        """Saves the state, and continues from what was saved.

        Replicas may have batch-norm statistics of their own. Their mean is saved, and every replica continues with the
        mean, as it would after a restart. The same goes for their shares of the epoch's losses.
        """
        for name, variable in self.numbers.items():
            variable.assign(getattr(self.progress, name))
        if self.rank.is_chief:
            self.files.write(self.checkpoint, self.progress.step)
        else:
            self.files.take_part(self.checkpoint, self.rank.index)
        for variable in (*self.state.network.non_trainable_variables, self.state.losses.sums):
            variable.assign(variable.read_value())

    def restore(self) -> str | None:
        """Restores the newest checkpoint that is whole. -> its path, or None if there are no checkpoints.

        Raises `UserError` if all of them are broken.
        """
        numbers = self.files.list_newest_first()
        for number in numbers:
            path = self.files.get_path(number)
            try:
                self.files.restore(self.checkpoint, number)
            except BrokenCheckpoint as error:
                print(make_printable(f"{path} is broken ({error}); trying the one before"), flush=True)
                continue
            for name, variable in self.numbers.items():
                setattr(self.progress, name, variable.numpy().item())
            return str(path)
        if numbers:
            raise UserError(
                f"{self.files.path} holds only broken checkpoints; choose another --run, or remove "
                "the folder to train from the start"
            )
        return None


def restore_or_begin(checkpoints: LastCheckpoints, folder: RunFolder) -> str | None:
    """Restores the newest checkpoint, or saves the first one, so that there always is one. -> what `restore` does.

    Raises `UserError` if the run has begun and its checkpoints are broken or gone.
    """
    restored = checkpoints.restore()
    if restored is None:
        if folder.history.exists() or folder.best.exists():
            raise UserError(
                f"{folder.last} holds no checkpoint to resume from; choose another --run, or remove "
                "the folder to train from the start"
            )
        checkpoints.save()
    return restored


class BestCheckpoint:
    """Saves the weights of a network in place of the best so far. Make it outside the scope of a strategy."""

    def __init__(self, folder: RunFolder, network: tf.keras.Model) -> None:
        self.checkpoint = tf.train.Checkpoint(network=network)
        self.files = _open_best_folder(folder)

    def save(self, epoch: int) -> None:
        """Saves the network's weights as those of an epoch."""
        self.files.write(self.checkpoint, epoch)


def restore_best(folder: RunFolder, network: tf.keras.Model) -> str:
    """Loads the best weights of a run into a network of the same shape. -> their path.

    Raises `UserError` if there are none, or only broken ones.
    """
    files = _open_best_folder(folder)
    reasons = []
    for number in files.list_newest_first():  # two if a save was interrupted
        try:
            files.restore(tf.train.Checkpoint(network=network), number)
            return str(files.get_path(number))
        except BrokenCheckpoint as error:
            reasons.append(f"{files.get_path(number)} is no whole checkpoint of this run: {error}")
    if not reasons:
        raise UserError(f"{folder.best} holds no checkpoint: no epoch is finished yet")
    raise UserError(reasons[0])


def has_checkpoints(folder: RunFolder) -> bool:
    """Whether a run has begun: whether it has checkpoints to resume from, broken ones too."""
    return bool(_open_last_folder(folder).list_newest_first())


def _open_last_folder(folder: RunFolder) -> CheckpointFolder:
    return CheckpointFolder(folder.last, "step", kept=KEPT)


def _open_best_folder(folder: RunFolder) -> CheckpointFolder:
    return CheckpointFolder(folder.best, "epoch", kept=1)


class BrokenCheckpoint(Exception):
    """A checkpoint that cannot be restored. The message is one line."""


class CheckpointFolder:
    """The checkpoints `<name>-<number>` of a folder.

    TensorFlow's `CheckpointManager` lists them in a file of its own, which can be out of date after a kill or a copy.
    Here their names are the list.
    """

    def __init__(self, path: Path, name: str, *, kept: int) -> None:
        """`kept`: how many of the newest checkpoints stay."""
        self.path, self.name, self.kept = path, name, kept

    def list_newest_first(self) -> list[int]:
        """The numbers of the checkpoints that are there, broken ones too."""
        if not self.path.is_dir():
            return []
        matches = (re.fullmatch(rf"{self.name}-(\d+)\.index", entry) for entry in os.listdir(self.path))
        return sorted((int(match[1]) for match in matches if match), reverse=True)

    def get_path(self, number: int) -> Path:
        """A checkpoint's files without their endings."""
        return self.path / f"{self.name}-{number}"

    def write(self, checkpoint: tf.train.Checkpoint, number: int) -> None:
        """Writes a checkpoint so that it is there whole or not at all, and then removes those that are too old.

        Raises `OSError` if the disk is full.
        """
        with self._unfinished(checkpoint, ".unfinished", said=self.get_path(number)) as unfinished:
            for entry in unfinished:
                sync(self.path / entry)
            self._remove(number)
            for entry in reversed(unfinished):  # the index last: with it the checkpoint is there
                os.replace(self.path / entry, self.path / f"{self.name}-{number}{entry.removeprefix('.unfinished')}")
        sync(self.path)
        for old in self.list_newest_first()[self.kept :]:
            self._remove(old)

    def take_part(self, checkpoint: tf.train.Checkpoint, rank: int) -> None:
        """What another rank does while the chief writes: it reads the same values, and keeps no file."""
        name = f".unfinished-{rank}"
        with self._unfinished(checkpoint, name, said=self.path / name):
            pass

    def restore(self, checkpoint: tf.train.Checkpoint, number: int) -> None:
        """Puts a checkpoint's values into the objects, each of which must be in it.

        Raises `BrokenCheckpoint` if its files are not whole, `OSError` or `UserError` if they cannot be read now.
        """
        for entry in self._files(f"{self.name}-{number}"):
            if not (self.path / entry).is_file():
                raise BrokenCheckpoint(f"{entry} is not a regular file")
            open_regular(self.path / entry).close()
        with _alias_for_tensorflow(self.path) as folder:
            try:
                status = checkpoint.read(os.path.join(folder, f"{self.name}-{number}"))
                status.assert_existing_objects_matched().expect_partial()
            except _UNREADABLE as error:
                raise UserError(
                    f"{self.get_path(number)} cannot be read now: {_explain(error, folder, self.path)}; it may be "
                    "whole, so keep it, and run the same command again later"
                ) from None
            except _BROKEN as error:
                raise BrokenCheckpoint(_explain(error, folder, self.path)) from None

    @contextlib.contextmanager
    def _unfinished(self, checkpoint: tf.train.Checkpoint, name: str, *, said: Path) -> Iterator[list[str]]:
        """Writes a checkpoint under a temporary name. Yields its files, the index first, and removes any left over."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with _alias_for_tensorflow(self.path) as folder, name_full_disk(said):
                checkpoint.write(os.path.join(folder, name))
            yield self._files(name)
        finally:
            for entry in self._files(name):
                (self.path / entry).unlink(missing_ok=True)
            shutil.rmtree(self.path / f"{name}_temp", ignore_errors=True)  # where TensorFlow puts parts

    def _remove(self, number: int) -> None:
        for entry in self._files(f"{self.name}-{number}"):
            (self.path / entry).unlink(missing_ok=True)

    def _files(self, name: str) -> list[str]:
        """The files of a checkpoint, the index first: without it the rest is no checkpoint."""
        found = sorted(entry for entry in os.listdir(self.path) if entry.startswith(f"{name}."))
        return sorted(found, key=lambda entry: entry != f"{name}.index")


@contextlib.contextmanager
def _alias_for_tensorflow(folder: Path) -> Iterator[str]:
    """A name for a folder in which TensorFlow sees no glob pattern. It is valid until the context ends.

    Raises `UserError` if there is no such name.
    """
    if not _PATTERN.search(str(folder)):
        yield str(folder)
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        alias = f"/proc/self/fd/{handle}"
        if not os.path.isdir(alias):
            raise UserError(f"--run must be a path without *, ?, [, ] and \\ on this system, got {folder}")
        yield alias
    finally:
        os.close(handle)


def _explain(error: Exception, folder: str, path: Path) -> str:
    """The first line of TensorFlow's message, with the folder's own path."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].replace(folder, str(path))
