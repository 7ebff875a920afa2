"""What TensorFlow raises in the middle of training, as one line that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from model.distribution.workers import Worker
from pipeline.errors import UserError


@contextmanager
def named_training_failures(*, batch: int, worker: Worker) -> Iterator[None]:
    """Turns what is raised inside into a `UserError`: memory that ran out, a worker that is gone.

    Args:
        batch: pictures in the global batch.
        worker: which of how many this process is.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise UserError(f"a step must fit into memory, got none left with --batch={batch}: choose a smaller batch, "
                        "more replicas, or --precision=bfloat16; then run the same command in another --run"
                        ) from None  # fmt: skip
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError):
        if worker.count == 1:
            raise
        raise UserError(f"all {worker.count} workers must live to the end, got one that is gone: start every worker "
                        "again with the same command; training goes on from the last backup") from None  # fmt: skip
