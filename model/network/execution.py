"""How the network is executed: precision, compilation, determinism, and what to do when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from pipeline.config.run_config import Config
from pipeline.errors import UserError

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def check_arithmetic(config: Config, *, replicas: int) -> None:
    """Raises `UserError` with the reason if settings do not work together."""
    training = config.training
    if training.xla and replicas > 1:
        raise UserError(
            f"--xla works with one replica only, got {replicas}: XLA cannot compile a step that replicas share"
        )
    if training.precision == "float16" and not tf.config.list_physical_devices("GPU"):
        raise UserError(
            "--precision=float16 needs a GPU: a CPU computes it in float32, only slower; choose float32 or bfloat16"
        )


def set_arithmetic(config: Config) -> None:
    """Sets precision, random seed and determinism for the whole process. Call it before building anything."""
    training = config.training
    tf.keras.mixed_precision.set_global_policy(_POLICIES[training.precision])
    # The same seed gives the same initial weights under any strategy.
    tf.keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()


@contextmanager
def name_out_of_memory(*, batch: int, others: str = "") -> Iterator[None]:
    """Turns TensorFlow's and Python's errors about memory that ran out into a `UserError`.

    Args:
        batch: images at a time.
        others: what else helps, as it follows "choose a smaller batch".
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise UserError(f"out of memory with --batch={batch}; choose a smaller batch{others}") from None
