"""How far a run has come, counted in plain numbers that cost nothing to read."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass
class Progress:
    """Steps and the best score so far. `LastCheckpoints` saves and restores both with the weights.

    They live on the host: reading a variable on an accelerator would wait for the step to end.
    """

    step: int = 0  # steps done; a checkpoint at the end of an epoch also has its evaluation
    best_ap: float = -1.0  # the best AP on val; -1 before the first evaluation


class CountSteps(tf.keras.callbacks.Callback):
    """Counts the steps. Must come before every callback that reads `Progress.step`."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Adds one."""
        self.progress.step += 1
