"""Numbered checkpoints in a folder: written whole, found by their names, the old ones removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from model.training.full_disk import named_full_disk
from pipeline.errors import UserError
from pipeline.files import open_regular, sync

# What TensorFlow raises for files that are cut off, altered, or of another network,
_BROKEN = (tf.errors.OpError, AssertionError, IndexError, RuntimeError, ValueError)
# and for files that may be whole: the disk, the network or the memory fails.
_UNREADABLE = (
    *(tf.errors.PermissionDeniedError, tf.errors.ResourceExhaustedError, tf.errors.UnavailableError),
    *(tf.errors.DeadlineExceededError, tf.errors.UnknownError, tf.errors.AbortedError),
)

_PATTERN = re.compile(r"[*?\[\]\\]")  # TensorFlow treats a checkpoint's path as a glob pattern


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

    def newest_first(self) -> list[int]:
        """The numbers of the checkpoints that are there, broken ones too."""
        if not self.path.is_dir():
            return []
        matches = (re.fullmatch(rf"{self.name}-(\d+)\.index", entry) for entry in os.listdir(self.path))
        return sorted((int(match[1]) for match in matches if match), reverse=True)

    def path_of(self, number: int) -> Path:
        """A checkpoint's files without their endings."""
        return self.path / f"{self.name}-{number}"

    def write(self, checkpoint: tf.train.Checkpoint, number: int) -> None:
        """Writes a checkpoint so that it is there whole or not at all, and then removes those that are too old.

        Raises `OSError` if the disk is full.
        """
        with self._unfinished(checkpoint, ".unfinished", said=self.path_of(number)) as unfinished:
            for entry in unfinished:
                sync(self.path / entry)
            self._remove(number)
            for entry in reversed(unfinished):  # the index last: with it the checkpoint is there
                os.replace(self.path / entry, self.path / f"{self.name}-{number}{entry.removeprefix('.unfinished')}")
        sync(self.path)
        for old in self.newest_first()[self.kept :]:
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
        with _known_to_tensorflow(self.path) as folder:
            try:
                status = checkpoint.read(os.path.join(folder, f"{self.name}-{number}"))
                status.assert_existing_objects_matched().expect_partial()
            except _UNREADABLE as error:
                raise UserError(
                    f"{self.path_of(number)} cannot be read now: {_told(error, folder, self.path)}; it may be whole, "
                    "so keep it, and run the same command again later"
                ) from None
            except _BROKEN as error:
                raise BrokenCheckpoint(_told(error, folder, self.path)) from None

    @contextlib.contextmanager
    def _unfinished(self, checkpoint: tf.train.Checkpoint, name: str, *, said: Path) -> Iterator[list[str]]:
        """Writes a checkpoint under a temporary name. Yields its files, the index first, and removes any left over."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with _known_to_tensorflow(self.path) as folder, named_full_disk(said):
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
def _known_to_tensorflow(folder: Path) -> Iterator[str]:
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


def _told(error: Exception, folder: str, path: Path) -> str:
    """The first line of TensorFlow's message, with the folder's own path."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].replace(folder, str(path))
