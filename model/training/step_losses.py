"""The losses of steps: kept on the devices, read many at once, and a training that stops when one is not finite.

A value that is read at every step would make an accelerator wait for the host at every step.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from pipeline.command_line import make_variable
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError
from pipeline.reader.dataset import list_keys_of_step
from pipeline.records.manifest import Manifest

LOSS_PARTS = ("loss", "class_loss", "offsets_loss")
READ_EVERY = 50  # steps, at least: as many stay on the device


class StepLosses(tf.Module):
    """The parts of the loss in the last `READ_EVERY` steps, and their sums over the epoch so far.

    Make it inside the strategy's scope. Every replica holds its share of each value; reading gives the sum of the
    shares, waits for the devices, and is something that all ranks must do together.
    """

    def __init__(self) -> None:
        super().__init__(name="losses")

        def shared(*shape: int) -> tf.Variable:
            return tf.Variable(
                tf.zeros(shape),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )

        # A row for each step, the newest last: the parts of the loss and the learning rate.
        self._recent = shared(READ_EVERY, len(LOSS_PARTS) + 1)
        self.sums = shared(len(LOSS_PARTS))

    def add(self, parts: dict[str, tf.Tensor], rate: tf.Tensor) -> None:
        """Adds a step: this replica's share of each of the `LOSS_PARTS`, and of the learning rate. Call it inside."""
        row = tf.stack([parts[name] for name in LOSS_PARTS])
        self.sums.assign_add(row)
        self._recent.assign(tf.concat([self._recent[1:], tf.concat([row, rate[None]], axis=0)[None]], axis=0))

    def begin_epoch(self) -> None:
        """Sets the sums to 0."""
        self.sums.assign(tf.zeros_like(self.sums))

    def read_recent(self, steps: int) -> np.ndarray:
        """The global losses of the last steps, at most `READ_EVERY`. -> float32 [steps, 4], the newest last.

        A row holds the `LOSS_PARTS` and the learning rate.
        """
        return self._recent.numpy()[READ_EVERY - steps :]

    def read_means(self, steps: int) -> dict[str, float]:
        """The mean of each of the `LOSS_PARTS` over the epoch, which has had so many steps."""
        means = self.sums.numpy() / np.float32(steps)
        return {name: float(mean) for name, mean in zip(LOSS_PARTS, means, strict=True)}


def check_finite(losses: np.ndarray, manifest: Manifest, training: TrainingConfig, *, first: int, ranks: int) -> None:
    """Stops a training whose loss is not finite: whatever its weights are now, they are not worth saving.

    Args:
        losses: rows of `StepLosses.read_recent`.
        manifest: of the records that it trains on.
        training: its configuration.
        first: the step of the first row, counted from 0.
        ranks: that share the records.

    Raises `UserError` with step, learning rate, the parts of the loss, and the keys of the step's records.
    """
    broken = np.flatnonzero(~np.isfinite(losses[:, : len(LOSS_PARTS)]).all(axis=1))
    if not len(broken):
        return
    step, row = first + int(broken[0]), losses[broken[0]]
    values = ", ".join(f"{name} {value:.4g}" for name, value in zip(LOSS_PARTS, row, strict=False))
    keys = list_keys_of_step(manifest, batch=training.batch, seed=training.seed, step=step, readers=ranks)
    look = f"make show {make_variable('RECORDS', manifest.folder)} {make_variable('KEY', keys[0])}"
    raise UserError(
        f"the loss is not finite at step {step + 1} ({values}; learning rate {row[-1]:.3g}), on the records "
        f"{', '.join(keys)} of {manifest.folder}; lower schedule.base in the configuration and train it in another "
        f"--run, or look at these records, one at a time, with `{look}`"
    )
