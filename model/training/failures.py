"""TensorFlow's errors in the middle of a training, as one line that says what to change."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from model.distribution.workers import Rank
from model.network.execution import name_out_of_memory
from pipeline.errors import UserError, take_first_line

_REASON = re.compile(
    r"^(?:  \(0\) )?(?!\s|Graph execution error:|Detected at node|Node: |<stack traces|\d+ root error)(.+)",
    re.MULTILINE,
)
_LITTLE = 64 << 10  # bytes free on a disk that counts as full
_NAMES = re.compile(r"\{\{\w+ [^}]*\}\} | \[Op:.*")


@contextmanager
def name_training_failures(*, batch: int, rank: Rank) -> Iterator[None]:
    """Turns TensorFlow's errors about memory that ran out, or a rank or device that failed, into a `UserError`.

    Args:
        batch: images in the global batch.
        rank: of this process.
    """
    try:
        with name_out_of_memory(batch=batch, others=", more replicas, or --precision=bfloat16, and another --run"):
            yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
    ) as error:
        said = take_first_line(_find_reason(error.message)).rstrip(" :")
        if rank.count > 1:  # this rank's device failed, or another rank ended
            raise UserError(
                f"one of the {rank.count} ranks or its device failed ({said}); start all of them again with the same "
                "command: training resumes from the last backup"
            ) from error
        if not isinstance(error, tf.errors.InternalError):
            raise
        raise UserError(
            f"the device failed ({said}); run the same command again: training resumes from the last backup"
        ) from error


def _find_reason(message: str) -> str:
    """The reason in TensorFlow's message, without the tracebacks of the graph before it and the names of nodes."""
    found = _REASON.search(message)
    return _NAMES.sub("", found[1] if found else message)


@contextmanager
def name_full_disk(path: Path) -> Iterator[None]:
    """Turns TensorFlow's error about a full disk, raised inside, into an `OSError` about the path written to.

    TensorFlow raises the same error for memory that ran out.
    """
    try:
        yield
    except tf.errors.OpError as error:
        number = _find_disk_error(error, path)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def _find_disk_error(error: tf.errors.OpError, path: Path) -> int | None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in str(error.message):
            return number
    if isinstance(error, tf.errors.ResourceExhaustedError) and path.parent.is_dir():
        return errno.ENOSPC if shutil.disk_usage(path.parent).free < _LITTLE else None
    return None
