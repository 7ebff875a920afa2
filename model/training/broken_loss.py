"""Stops training at a loss that is not finite."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from model.distribution.workers import Rank
from model.training.detector import LOSS_PARTS, RECENT_STEPS
from model.training.progress import Progress
from pipeline.command_line import make_variable
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError
from pipeline.reader.dataset import keys_of_step
from pipeline.records.manifest import Manifest


class StopOnBrokenLoss(tf.keras.callbacks.Callback):
    """Stops at a loss that is not finite, before anything of that step or a later one is saved.

    Reading the loss at every step would make an accelerator wait for the host at every step. So the detector keeps
    the losses of its last `RECENT_STEPS` steps on the device, and this reads them together: every `RECENT_STEPS` steps,
    before each backup, and at an epoch's last step, before it is evaluated and saved. The steps done meanwhile
    with broken weights, up to `RECENT_STEPS`, are lost; the files are those from before the broken step.

    All ranks must have it (the losses are read from all of them). Must come after `CountSteps` and before every
    callback that writes.
    """

    def __init__(
        self, manifest: Manifest, training: TrainingConfig, progress: Progress, rank: Rank, *, backup_steps: int
    ) -> None:
        super().__init__()
        self.manifest, self.training, self.progress, self.rank = manifest, training, progress, rank
        self.every = (RECENT_STEPS, backup_steps)
        self.checked = progress.step  # steps whose losses are known to be finite

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises `UserError` with step, learning rate, the parts of the loss, and the keys of the records."""
        step = self.progress.step
        if all(step % every for every in self.every) and batch + 1 < self.params["steps"]:
            return
        recent = self.model.recent_losses(step - self.checked)
        broken = np.flatnonzero(~np.isfinite(recent[:, : len(LOSS_PARTS)]).all(axis=1))
        if len(broken):
            self._stop(self.checked + int(broken[0]), recent[broken[0]])
        self.checked = step

    def _stop(self, step: int, losses: np.ndarray) -> None:
        """`step` counts from 0; `losses` are one row of `Detector.recent_losses`."""
        training, folder = self.training, self.manifest.folder
        values = ", ".join(f"{name} {value:.4g}" for name, value in zip(LOSS_PARTS, losses, strict=False))
        keys = keys_of_step(self.manifest, batch=training.batch, seed=training.seed, step=step, readers=self.rank.count)
        look = f"make pictures {make_variable('RECORDS', folder)} {make_variable('KEY', keys[0])}"
        raise UserError(
            f"the loss is not finite at step {step + 1} ({values}; learning rate {losses[-1]:.3g}), on the records "
            f"{', '.join(keys)} of {folder}; lower schedule.base in the configuration and train it in another --run, "
            f"or look at these records, one at a time, with `{look}`"
        )
