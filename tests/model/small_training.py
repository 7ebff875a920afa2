"""A training of a few layers in the test's own process, with the callbacks of `model.train`.

The detector has hundreds of variables, and most of a short training is spent on building the update of each.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from model.distribution.workers import Rank
from model.training.broken_loss import StopOnBrokenLoss
from model.training.checkpoints import LastCheckpoints
from model.training.detector import Detector
from model.training.epoch_means import EpochMeans
from model.training.history import WriteHistory
from model.training.optimizers import make_optimizer
from model.training.progress import CountSteps, Progress
from model.training.run_folder import RunFolder
from model.training.save_last import SaveLast
from model.training.schedule import LearningRate
from model.training.tensorboard import WriteTensorBoard
from pipeline.config.presets import IMPROVED_LOSS
from pipeline.config.run_config import ScheduleConfig, TrainingConfig
from pipeline.reader.dataset import training_batches
from pipeline.records.manifest import Manifest
from tests.model import tiny

layers = tf.keras.layers


def small_network() -> tf.keras.Model:
    """One of each kind of layer that the detector has, with its inputs and outputs."""
    images = layers.Input([64, 64, 3], dtype=tf.uint8)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.Conv2D(4, 3, strides=4, use_bias=False, kernel_regularizer=tf.keras.regularizers.L2(4e-5))(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, strides=4, use_bias=False)(x))
    n = len(tiny.ANCHORS)
    outputs = {
        "logits": layers.Reshape([n, tiny.CLASS_COUNT + 1])(layers.Dense(n * (tiny.CLASS_COUNT + 1))(x)),
        "offsets": layers.Reshape([n, 4])(layers.Dense(n * 4)(x)),
    }
    return tf.keras.Model(images, outputs)


class SmallTraining:
    """A training on a record set, in a folder where it resumes what is there."""

    def __init__(
        self, manifest: Manifest, folder: Path, *, epoch_steps: int, backup_steps: int = 500, base: float = 1e-3
    ) -> None:
        self.manifest, self.epoch_steps = manifest, epoch_steps
        schedule = ScheduleConfig(kind="exponential", base=base)
        self.config = TrainingConfig(schedule=schedule, batch=4, epochs=10, epoch_steps=epoch_steps)
        tf.keras.utils.set_random_seed(0)
        network = small_network()
        self.detector = Detector(
            network, anchors=tiny.ANCHORS, background=tiny.CLASS_COUNT, loss=IMPROVED_LOSS, average_decay=0.9
        )
        rate = LearningRate(schedule, epoch_steps=epoch_steps, epochs=10)
        optimizer = make_optimizer("adam", rate, precision="float32", variables=network.trainable_variables)
        self.detector.compile(optimizer=optimizer)
        self.progress, self.folder = Progress(), RunFolder(folder)
        self.checkpoints = LastCheckpoints(self.folder, self.detector, self.progress, Rank())
        self.restored = self.checkpoints.restore()
        self.callbacks = [
            CountSteps(self.progress),
            StopOnBrokenLoss(manifest, self.config, self.progress, Rank(), backup_steps=backup_steps),
            EpochMeans(self.checkpoints, epoch_steps=epoch_steps),
            WriteHistory(self.folder, self.progress, self.config, finished=self.progress.step // epoch_steps),
            SaveLast(self.checkpoints, every=backup_steps, epoch_steps=epoch_steps),
            WriteTensorBoard(self.folder, self.progress, self.config, Rank(), images=None),
        ]

    def train(self, epochs: int = 1) -> None:
        """Trains to the end of so many epochs, the current one counted."""
        for _ in range(epochs):
            step = self.progress.step
            self.detector.fit(
                training_batches(self.manifest, batch=4, seed=0, start_step=step, dense=True),
                initial_epoch=step // self.epoch_steps,
                epochs=step // self.epoch_steps + 1,
                steps_per_epoch=self.epoch_steps - step % self.epoch_steps,
                verbose=0,
                callbacks=self.callbacks,
            )
