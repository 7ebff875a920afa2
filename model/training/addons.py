"""Everything that we use from tensorflow-addons, by name. No other file imports it.

tensorflow-addons ends with TensorFlow 2.15, so it is imported only when something needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import tensorflow as tf

from model.training.schedule import LearningRate
from pipeline.errors import UserError

PREFIX = "tfa:"

_CYCLES = 4  # of the cyclical learning rate in a run; each rises from a tenth of the base rate and falls back


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
    """Raises `UserError` if a setting names something of tensorflow-addons and it is not installed.

    Args:
        asked_for: the settings, by the names of their flags.
    """
    for flag, value in asked_for.items():
        if value.startswith(PREFIX):
            _import(f"--{flag}={value}")


def make_addons_optimizer(name: str, rate: LearningRate) -> Any:
    """The optimizer of that name, one of `OPTIMIZERS`."""
    return _OPTIMIZERS[name.removeprefix(PREFIX)](_import(f"--optimizer={name}"), rate)


def addons_giou_loss(truth: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """1 - GIoU of corner boxes, [..., 4] -> [...]."""
    return _import("--box_loss=tfa:giou").losses.giou_loss(truth, boxes)


def choose_cross_device_ops(name: str) -> tf.distribute.CrossDeviceOps | None:
    """How replicas must exchange values for an optimizer of that name; None for TensorFlow's choice.

    Optimizers that wrap another one update their slots in ways that the collective operations do not support.
    """
    return tf.distribute.HierarchicalCopyAllReduce() if name.startswith(PREFIX) else None


class OptimizerAverages:
    """The averages that an optimizer of `AVERAGING` keeps, instead of `AveragedWeights`."""

    def __init__(self, optimizer: Any, variables: Sequence[tf.Variable]) -> None:
        self.averages = [optimizer.get_slot(variable, "average") for variable in variables]


def _import(flag: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that it is no longer developed
            import tensorflow_addons
    except ImportError:
        raise UserError(
            f"{flag} needs tensorflow-addons, which is not installed here: use `make train STACK=addons …` "
            "(Python 3.10 or 3.11)"
        ) from None
    return tensorflow_addons
