"""Turns TensorFlow's errors in the middle of training into one line that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from model.distribution.workers import Rank
from model.network.out_of_memory import named_out_of_memory
from pipeline.errors import UserError


@contextmanager
def named_training_failures(*, batch: int, rank: Rank) -> Iterator[None]:
    """Turns TensorFlow's errors about memory that ran out, or a rank that died, into a `UserError`.

    Args:
        batch: pictures in the global batch.
        rank: of this process.
    """
    try:
        with named_out_of_memory(batch=batch, others=", more replicas, or --precision=bfloat16, and another --run"):
            yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError):
        if rank.count == 1:
            raise
        raise UserError(
            f"one of the {rank.count} ranks died; start all of them again with the same command: training resumes "
            "from the last backup"
        ) from None
