"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from model.training.addons import OPTIMIZERS as ADDONS
from model.training.addons import PREFIX, make_addons_optimizer
from model.training.schedule import LearningRate
from pipeline.errors import UserError

_MOMENTUM = 0.9
_DECOUPLED_DECAY = 4e-5  # of adamw; multiplied by the learning rate at every step

# jit_compile=False: Keras would compile the update with XLA, which several replicas cannot share.
_OWN: dict[str, Callable[[LearningRate], Any]] = {
    "adam": lambda rate: tf.keras.optimizers.Adam(rate, jit_compile=False),
    "adamw": lambda rate: tf.keras.optimizers.AdamW(rate, weight_decay=_DECOUPLED_DECAY, jit_compile=False),
    "sgd": lambda rate: tf.keras.optimizers.SGD(rate, momentum=_MOMENTUM, nesterov=True, jit_compile=False),
}
OPTIMIZERS = (*_OWN, *ADDONS)


def check_optimizer(name: str, precision: str) -> None:
    """Raises `UserError` for a name that is not in `OPTIMIZERS`, or that does not work with the precision."""
    if name not in OPTIMIZERS:
        raise UserError(f"--optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
    if name in ADDONS and precision == "float16":
        raise UserError(
            f"--precision must be float32 or bfloat16 with --optimizer={name}, got float16: loss scaling does not work "
            "with optimizers of tensorflow-addons"
        )


def make_optimizer(name: str, rate: LearningRate, *, precision: str, variables: Sequence[tf.Variable]) -> Any:
    """The optimizer of that name with all its variables, so that it can be restored. Call it in the strategy's scope.

    Args:
        name: one of `OPTIMIZERS`.
        rate: the learning rate of every step.
        precision: "float16" scales the loss and skips steps whose gradients overflow.
        variables: the ones to train.

    Raises:
        UserError: like `check_optimizer`.
    """
    check_optimizer(name, precision)
    if name.startswith(PREFIX):
        optimizer = make_addons_optimizer(name, rate)
        optimizer._create_all_weights(variables)  # otherwise made in the first step
        return optimizer
    optimizer = _OWN[name](rate)
    if precision == "float16":
        optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
