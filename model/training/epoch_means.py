"""The means of the losses over an epoch, even if it was interrupted."""

from __future__ import annotations

import tensorflow as tf

from model.training.checkpoints import LastCheckpoints


class EpochMeans(tf.keras.callbacks.Callback):
    """Adds the epoch's mean losses to the logs. All ranks must have it: the means are read from all of them.

    Must come before every callback that uses these logs, and must be made after the checkpoint is restored.
    """

    def __init__(self, checkpoints: LastCheckpoints, *, epoch_steps: int) -> None:
        super().__init__()
        self.detector, self.progress, self.epoch_steps = checkpoints.detector, checkpoints.progress, epoch_steps
        # Keras resets the means when an epoch begins, even if the epoch is a resumed one.
        self.restored = [
            (variable, variable.numpy()) for mean in self.detector.means.values() for variable in mean.variables
        ]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Puts the restored means back if the epoch is resumed in its middle."""
        if self.progress.step % self.epoch_steps:
            for variable, value in self.restored:
                variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Adds the means to the logs."""
        logs.update({name: float(mean.result()) for name, mean in self.detector.means.items()})
