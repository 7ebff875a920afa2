"""What TensorFlow raises in the middle of training says what to change."""

from __future__ import annotations

import pytest
import tensorflow as tf

from model.distribution.workers import Worker
from model.training.failures import named_training_failures
from pipeline.errors import UserError


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), MemoryError()])
def test_memory_that_ran_out(error: Exception) -> None:
    said = "must fit into memory, got none left with --batch=64: choose a smaller batch"
    with pytest.raises(UserError, match=said), named_training_failures(batch=64, worker=Worker()):
        raise error


def test_a_worker_that_is_gone() -> None:
    gone = tf.errors.UnavailableError(None, None, "connection reset")
    said = "all 3 workers must live to the end, got one that is gone"
    with pytest.raises(UserError, match=said), named_training_failures(batch=64, worker=Worker(0, 3)):
        raise gone
    with pytest.raises(tf.errors.UnavailableError), named_training_failures(batch=64, worker=Worker()):
        raise gone
