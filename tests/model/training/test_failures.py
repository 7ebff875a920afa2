"""Errors in the middle of training say what to change."""

from __future__ import annotations

import pytest
import tensorflow as tf

from model.distribution.workers import Rank
from model.training.failures import name_training_failures
from pipeline.errors import UserError


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), MemoryError()])
def test_memory_that_ran_out(error: Exception) -> None:
    said = "out of memory with --batch=64; choose a smaller batch, more replicas, or --precision=bfloat16, and another"
    with pytest.raises(UserError, match=said), name_training_failures(batch=64, rank=Rank()):
        raise error


CUDA = "Failed to launch the kernel: CUDA_ERROR_ILLEGAL_ADDRESS"
IN_A_GRAPH = f"""Graph execution error:

Detected at node while/Conv2D defined at (most recent call last):
  File "model/train.py", line 1, in <module>

{CUDA}
\t [[{{{{node while/Conv2D}}}}]] [Op:__inference_step_1]"""
SEVERAL = f"""Graph execution error:

Detected at node 'a' defined at (most recent call last):
<stack traces unavailable>
Detected at node 'b' defined at (most recent call last):
<stack traces unavailable>
2 root error(s) found.
  (0) {CUDA}
\t [[{{{{node a}}}}]]
  (1) CANCELLED: another"""


@pytest.mark.parametrize(
    "message", [CUDA, f"{{{{function_node __wrapped__Conv2D}}}} {CUDA} [Op:Conv2D] name: ", IN_A_GRAPH, SEVERAL]
)
def test_a_rank_or_a_device_that_failed(message: str) -> None:
    error = tf.errors.InternalError(None, None, message)
    with pytest.raises(UserError) as raised, name_training_failures(batch=64, rank=Rank(0, 3)):
        raise error
    assert str(raised.value) == (
        f"one of the 3 ranks or its device failed ({CUDA}); start all of them again with the same command: training "
        "resumes from the last backup"
    )
    with pytest.raises(UserError) as raised, name_training_failures(batch=64, rank=Rank()):
        raise error
    assert str(raised.value).startswith(f"the device failed ({CUDA}); run the same command again")


def test_a_real_error_in_a_graph() -> None:
    """TensorFlow puts the tracebacks of its graph first; the last lines name nodes."""

    @tf.function(autograph=False)
    def step(x: tf.Tensor) -> tf.Tensor:
        return tf.debugging.check_numerics(x, "the step")

    with pytest.raises(tf.errors.InvalidArgumentError) as failed:
        step(tf.constant(float("nan")))
    said = r"^the device failed \(the step : Tensor had NaN values\);"
    with pytest.raises(UserError, match=said), name_training_failures(batch=64, rank=Rank()):
        raise tf.errors.InternalError(None, None, failed.value.message)


def test_a_rank_that_died() -> None:
    gone = tf.errors.UnavailableError(None, None, "connection reset:\nthe peer")
    said = r"one of the 3 ranks or its device failed \(connection reset\); start all of them again"
    with pytest.raises(UserError, match=said), name_training_failures(batch=64, rank=Rank(0, 3)):
        raise gone
    with pytest.raises(tf.errors.UnavailableError), name_training_failures(batch=64, rank=Rank()):
        raise gone
