"""Errors in the middle of training say what to change."""

from __future__ import annotations

import pytest
import tensorflow as tf

from model.distribution.workers import Rank
from model.training.failures import named_training_failures
from pipeline.errors import UserError


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), MemoryError()])
def test_memory_that_ran_out(error: Exception) -> None:
    said = "out of memory with --batch=64; choose a smaller batch, more replicas, or --precision=bfloat16, and another"
    with pytest.raises(UserError, match=said), named_training_failures(batch=64, rank=Rank()):
        raise error


def test_a_rank_that_died() -> None:
    gone = tf.errors.UnavailableError(None, None, "connection reset")
    said = "one of the 3 ranks died; start all of them again"
    with pytest.raises(UserError, match=said), named_training_failures(batch=64, rank=Rank(0, 3)):
        raise gone
    with pytest.raises(tf.errors.UnavailableError), named_training_failures(batch=64, rank=Rank()):
        raise gone
