"""Saves the state of training while it goes on."""

from __future__ import annotations

import tensorflow as tf

from model.training.checkpoints import LastCheckpoints


class SaveLast(tf.keras.callbacks.Callback):
    """Saves everything every n steps and at the end of every epoch.

    Must come after the epoch's evaluation and history, which a saved epoch must have, and before anything is drawn.
    """

    def __init__(self, checkpoints: LastCheckpoints, *, every: int, epoch_steps: int) -> None:
        super().__init__()
        self.checkpoints, self.every, self.epoch_steps = checkpoints, every, epoch_steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves, except at an epoch's last step: the epoch is not done until it is evaluated."""
        step = self.checkpoints.progress.step
        if step % self.every == 0 and step % self.epoch_steps:
            self.checkpoints.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves the finished epoch."""
        self.checkpoints.save()
