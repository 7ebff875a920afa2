"""Tells a full disk from memory that ran out: TensorFlow raises the same error for both."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

_LITTLE = 64 << 10  # bytes free on a disk that counts as full


@contextlib.contextmanager
def named_full_disk(path: Path) -> Iterator[None]:
    """Turns TensorFlow's error about a full disk, raised inside, into an `OSError` about the path written to."""
    try:
        yield
    except tf.errors.OpError as error:
        number = _reason(error, path)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def _reason(error: tf.errors.OpError, path: Path) -> int | None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in str(error.message):
            return number
    if isinstance(error, tf.errors.ResourceExhaustedError) and path.parent.is_dir():
        return errno.ENOSPC if shutil.disk_usage(path.parent).free < _LITTLE else None
    return None
