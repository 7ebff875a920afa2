"""The learning-rate schedules of both presets, as functions of the step alone."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from pipeline.config.run_config import ScheduleConfig


class LearningRate(tf.keras.optimizers.schedules.LearningRateSchedule):
    """ "exponential": base · decay^(epoch - 1) for whole epochs, counted from 1.

    "cosine": linear up to the base during the warm-up, then half a cosine, which would reach 0 a step after the last.
    """

    def __init__(self, config: ScheduleConfig, *, epoch_steps: int, epochs: int) -> None:
        self.config, self.epoch_steps, self.epochs = config, epoch_steps, epochs

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The learning rate of a step, counted from 0."""
        config, step = self.config, tf.cast(step, tf.float32)
        if config.kind == "exponential":
            return config.base * tf.pow(config.decay, tf.floor(step / self.epoch_steps))
        steps = self.epoch_steps * self.epochs
        warmup = min(config.warmup_steps, steps - 1)
        rising = (step + 1.0) / max(warmup, 1)
        progress = tf.clip_by_value((step - warmup) / (steps - warmup), 0.0, 1.0)
        falling = 0.5 * (1.0 + tf.cos(math.pi * progress))
        return config.base * tf.where(step < warmup, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`, as Keras asks of a schedule."""
        return {"config": self.config, "epoch_steps": self.epoch_steps, "epochs": self.epochs}
