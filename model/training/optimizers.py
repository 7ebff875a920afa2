"""Optimizers by name, ready to be saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from model.training.addons import OPTIMIZERS as ADDONS
from model.training.addons import PREFIX, make_addons_optimizer
from model.training.schedule import LearningRate
from pipeline.errors import UserError

_MOMENTUM = 0.9
_DECOUPLED_DECAY = 4e-5  # of adamw, at each step times the learning rate

# jit_compile: Keras would compile the update with XLA, which replicas cannot share.
_OWN: dict[str, Callable[[LearningRate], Any]] = {
    "adam": lambda rate: tf.keras.optimizers.Adam(rate, jit_compile=False),
    "adamw": lambda rate: tf.keras.optimizers.AdamW(rate, weight_decay=_DECOUPLED_DECAY, jit_compile=False),
    "sgd": lambda rate: tf.keras.optimizers.SGD(rate, momentum=_MOMENTUM, nesterov=True, jit_compile=False),
}
OPTIMIZERS = (*_OWN, *ADDONS)


def check_optimizer(name: str, precision: str) -> None:
    """Raises `UserError` for another name than those of `OPTIMIZERS`, or one that does not go with a precision."""
    if name not in OPTIMIZERS:
        raise UserError(f"--optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
    if name in ADDONS and precision == "float16":
        raise UserError(f"--precision must be float32 or bfloat16 with --optimizer={name}, got float16: scaling of the "
                        "loss does not go around optimizers of tensorflow-addons")  # fmt: skip


def make_optimizer(name: str, rate: LearningRate, *, precision: str, variables: Sequence[tf.Variable]) -> Any:
    """The optimizer of that name with all its variables, made inside the scope of the strategy.

    Args:
        name: one of `OPTIMIZERS`.
        rate: of every step.
        precision: with "float16" the loss is scaled, and steps whose gradients overflow are skipped.
        variables: that it will change.

    Raises:
        UserError: as `check_optimizer` does.
    """
    check_optimizer(name, precision)
    if name.startswith(PREFIX):
        optimizer = make_addons_optimizer(name, rate)
        optimizer._create_all_weights(variables)  # these make their variables at the first step otherwise
        return optimizer
    optimizer = _OWN[name](rate)
    if precision == "float16":
        optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
