"""Everything of tensorflow-addons that is offered by name, for the stack that has it. Nothing else imports it.

tensorflow-addons ends with TensorFlow 2.15; every import happens when something of it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from model.training.schedule import LearningRate
from pipeline.errors import UserError

PREFIX = "tfa:"

_CYCLES = 4  # of the cyclical learning rate in a run; each rises from a tenth of the rate and falls back


def _plain(name: str) -> Callable[[ModuleType, LearningRate], Any]:
    return lambda tfa, rate: getattr(tfa.optimizers, name)(rate)


def _ranger(tfa: ModuleType, rate: LearningRate) -> Any:
    return tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(rate))


def _cyclical(tfa: ModuleType, rate: LearningRate) -> Any:
    base = rate.config.base
    half = max(1, rate.epoch_steps * rate.epochs // (2 * _CYCLES))
    cycle = tfa.optimizers.TriangularCyclicalLearningRate(base / 10, base, step_size=half)
    return tf.keras.optimizers.legacy.Adam(cycle)


def _around_adam(name: str, **settings: Any) -> Callable[[ModuleType, LearningRate], Any]:
    return lambda tfa, rate: getattr(tfa.optimizers, name)(tf.keras.optimizers.legacy.Adam(rate), **settings)


_OPTIMIZERS: dict[str, Callable[[ModuleType, LearningRate], Any]] = {
    "adabelief": _plain("AdaBelief"),
    "cyclical": _cyclical,
    "lamb": _plain("LAMB"),
    "lazyadam": _plain("LazyAdam"),
    "lookahead": _around_adam("Lookahead"),
    "moving_average": _around_adam("MovingAverage", dynamic_decay=True),
    "novograd": _plain("NovoGrad"),
    "radam": _plain("RectifiedAdam"),
    "ranger": _ranger,  # RectifiedAdam inside Lookahead
    "swa": _around_adam("SWA", start_averaging=0, average_period=10),
    "yogi": _plain("Yogi"),
}
OPTIMIZERS = tuple(PREFIX + name for name in _OPTIMIZERS)
AVERAGING = (PREFIX + "moving_average", PREFIX + "swa")


def check_addons(**asked_for: str) -> None:
    """Raises `UserError` where a setting names something of tensorflow-addons, and this stack has none.

    Args:
        asked_for: values by the names of their flags.
    """
    for flag, value in asked_for.items():
        if value.startswith(PREFIX):
            _import(f"--{flag}={value}")


def make_addons_optimizer(name: str, rate: LearningRate) -> Any:
    """One of `OPTIMIZERS`."""
    return _OPTIMIZERS[name.removeprefix(PREFIX)](_import(f"--optimizer={name}"), rate)


def addons_giou_loss(truth: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """1 - GIoU of corner boxes, [..., 4] -> [...]."""
    return _import("--box_loss=tfa:giou").losses.giou_loss(truth, boxes)


def cross_device_ops_for(name: str) -> tf.distribute.CrossDeviceOps | None:
    """How replicas must exchange values for an optimizer of that name; None for TensorFlow's choice.

    Optimizers around optimizers update their slots in ways that the ring of collectives does not take.
    """
    return tf.distribute.HierarchicalCopyAllReduce() if name.startswith(PREFIX) else None


class OptimizerAverages:
    """The averages that an optimizer of `AVERAGING` keeps, in the place of `AveragedWeights`."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def weights_of(self, network: tf.keras.Model) -> list[np.ndarray]:
        """All weights, averaged where there is an average, in the order of `network.get_weights()`."""
        averaged = {id(v): self.optimizer.get_slot(v, "average") for v in network.trainable_variables}
        current = zip(network.weights, network.get_weights(), strict=True)
        return [averaged[id(v)].numpy() if id(v) in averaged else value for v, value in current]


def _import(flag: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is no longer developed, which its stack is there for
            import tensorflow_addons
    except ImportError:
        raise UserError(f"{flag} needs tensorflow-addons, which this environment does not have: use "
                        "`make train STACK=addons …` (Python 3.10 or 3.11)") from None  # fmt: skip
    return tensorflow_addons
