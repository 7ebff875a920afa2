"""What TensorBoard shows of a run: losses by part, learning rate, speed, input wait, AP, detections."""

from __future__ import annotations

import time

import tensorflow as tf

from model.distribution.workers import Worker
from model.training.checkpoints import Progress
from model.training.detector import LOSS_PARTS
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig

EVERY = 50  # steps


class WriteTensorBoard(tf.keras.callbacks.Callback):
    """Writes event files: a step's figures every `EVERY` steps and at the epoch's last one, and what val gave."""

    def __init__(self, folder: RunFolder, progress: Progress, training: TrainingConfig, worker: Worker) -> None:
        super().__init__()
        self.folder, self.progress, self.training = folder, progress, training
        self.writer = tf.summary.create_file_writer(str(folder.tensorboard)) if worker.is_chief else None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock anew: what was before is evaluation."""
        self._restart_clock()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the figures of the step, and of the steps since the last time."""
        step = int(self.progress.step)
        if step % EVERY and batch + 1 < self.params["steps"]:
            return
        losses = {part: self.model.last[part].numpy() for part in LOSS_PARTS}  # read from every worker
        seconds = time.monotonic() - self.since
        if self.writer is not None and step > self.first_step:
            images = (step - self.first_step) * self.training.batch
            with self.writer.as_default(step=step):
                for part, value in losses.items():
                    tf.summary.scalar(f"step/{part}", value)
                tf.summary.scalar("step/learning_rate", self.model.learning_rate())
                tf.summary.scalar("speed/images_per_second", images / seconds)
                tf.summary.scalar("speed/input_wait_share", (self.model.input_wait - self.waited) / seconds)
        self._restart_clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Writes the epoch's means, the figures of val, and the picture of detections."""
        if self.writer is None:
            return
        with self.writer.as_default(step=int(self.progress.step)):
            for name, value in logs.items():
                tf.summary.scalar(f"{'val' if 'AP' in name else 'epoch'}/{name}", value)
            if "AP" in logs:
                picture = tf.io.decode_png(self.folder.val_picture.read_bytes(), channels=3)
                tf.summary.image("val/detections", picture[None])
        self.writer.flush()

    def _restart_clock(self) -> None:
        self.since, self.first_step = time.monotonic(), int(self.progress.step)
        self.waited = self.model.input_wait
