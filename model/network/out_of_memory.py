"""Turns an error about memory that ran out into one line that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from pipeline.errors import UserError


@contextmanager
def named_out_of_memory(*, batch: int, others: str = "") -> Iterator[None]:
    """Turns TensorFlow's and Python's errors about memory that ran out into a `UserError`.

    Args:
        batch: images at a time.
        others: what else helps, as it follows "choose a smaller batch".
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise UserError(f"out of memory with --batch={batch}; choose a smaller batch{others}") from None
