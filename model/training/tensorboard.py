"""What TensorBoard shows of a run: losses by part, learning rate, speed, input wait, AP, detections."""

from __future__ import annotations

import time

import tensorflow as tf

from model.distribution.workers import Rank
from model.training.detector import LOSS_PARTS, RECENT_STEPS
from model.training.draw_images import DrawImages
from model.training.full_disk import named_full_disk
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig

EVERY = RECENT_STEPS  # steps; their losses are read then anyway


class WriteTensorBoard(tf.keras.callbacks.Callback):
    """Writes event files: a step's values every `EVERY` steps and at an epoch's last one, and each epoch's scores.

    All ranks must have it, because the losses are read from all of them. Must come after `DrawImages`.
    """

    def __init__(
        self,
        folder: RunFolder,
        progress: Progress,
        training: TrainingConfig,
        rank: Rank,
        *,
        images: DrawImages | None,
    ) -> None:
        """`images`: the chief's callback; None on other ranks."""
        super().__init__()
        self.progress, self.training, self.images = progress, training, images
        self.path, self.writer = folder.tensorboard, None
        if rank.is_chief:
            with named_full_disk(self.path):
                self.writer = tf.summary.create_file_writer(str(self.path))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Restarts the clock: the time before was evaluation."""
        self._restart_clock()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the values of the step, and the speed since the last time."""
        step = self.progress.step
        if step % EVERY and batch + 1 < self.params["steps"]:
            return
        (losses,) = self.model.recent_losses(1)
        seconds = time.monotonic() - self.since
        if self.writer is not None and step > self.first_step:
            images = (step - self.first_step) * self.training.batch
            with named_full_disk(self.path), self.writer.as_default(step=step):
                for name, value in zip((*LOSS_PARTS, "learning_rate"), losses, strict=True):
                    tf.summary.scalar(f"step/{name}", value)
                tf.summary.scalar("speed/images_per_second", images / seconds)
                tf.summary.scalar("speed/input_wait_share", (self.model.input_wait - self.waited) / seconds)
        self._restart_clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Writes the epoch's means, its scores on val, and the image of detections."""
        if self.writer is None:
            return
        with named_full_disk(self.path), self.writer.as_default(step=self.progress.step):
            for name, value in logs.items():
                tf.summary.scalar(f"{'val' if 'AP' in name else 'epoch'}/{name}", value)
            if self.images is not None and self.images.detections is not None:
                image = tf.io.decode_png(self.images.detections, channels=3)
                tf.summary.image("val/detections", image[None])
            self.writer.flush()

    def _restart_clock(self) -> None:
        self.since, self.first_step = time.monotonic(), self.progress.step
        self.waited = self.model.input_wait
