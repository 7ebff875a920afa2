"""Arithmetic of the step: precision, compilation, determinism; and what of it does not go together."""

from __future__ import annotations

import os

import tensorflow as tf

from pipeline.errors import UserError
from pipeline.recipe import Config

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}

# oneDNN's bfloat16 gradient of a 3x3 kernel of stride 2 over 2 x 2 cells comes, now and then, out of memory that nobody
# wrote to (TensorFlow 2.15 and 2.21, processors with AVX-512).
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def check_arithmetic(config: Config, *, replicas: int) -> None:
    """Raises `UserError` with the reason for settings that do not work together."""
    training = config.training
    if training.xla and replicas > 1:
        raise UserError(
            f"--xla must go with one replica, got {replicas}: XLA cannot compile a step that replicas share"
        )
    if tf.config.list_physical_devices("GPU"):
        return
    if training.precision == "float16":
        raise UserError("--precision=float16 must have a GPU, got none: a CPU computes it in float32, slower; "
                        "choose float32, or bfloat16")  # fmt: skip
    if training.precision == "bfloat16" and os.environ.get(_ONEDNN) != "0":
        raise UserError(f"--precision=bfloat16 on a CPU must go with the environment variable {_ONEDNN}=0, got "
                        f"{os.environ.get(_ONEDNN, 'none')}: oneDNN's gradients of small maps are not always numbers; "
                        "set it, or choose float32, which is faster there")  # fmt: skip


def set_arithmetic(config: Config) -> None:
    """Sets precision and determinism for the whole process; call it before anything is built."""
    training = config.training
    tf.keras.mixed_precision.set_global_policy(_POLICIES[training.precision])
    # The same first weights from the same seed, whatever the strategy.
    tf.keras.utils.set_random_seed(training.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
