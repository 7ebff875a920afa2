"""What a terminal shows while training runs."""

from __future__ import annotations

import sys
import time

import tensorflow as tf
from tqdm import tqdm

from model.training.detector import LOSS_PARTS
from model.training.progress import Progress


class ShowProgress(tf.keras.callbacks.Callback):
    """Prints a line for each epoch, and on a terminal a bar of its steps.

    Keras's own bar shows the loss of every step, and waits for every step to read it.
    """

    def __init__(self, progress: Progress, *, epochs: int, epoch_steps: int) -> None:
        super().__init__()
        self.progress, self.epochs, self.epoch_steps = progress, epochs, epoch_steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Opens the bar."""
        self.started = time.monotonic()
        self.bar = tqdm(
            total=self.epoch_steps,
            initial=self.progress.step % self.epoch_steps,
            desc=f"epoch {epoch + 1}",
            unit="step",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar."""
        self.bar.update()
        self.seconds = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Prints the epoch's mean losses."""
        self.bar.close()
        losses = ", ".join(f"{name} {logs[name]:.4f}" for name in LOSS_PARTS)
        print(f"epoch {epoch + 1} of {self.epochs}: {losses}, {self.seconds:.1f} s", flush=True)
