"""A training of a few layers in the test's own process: the loop of `model.train` with scores that a test chooses.

The detector has hundreds of variables, and most of a short training is spent on building the update of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from model.distribution.workers import Rank
from model.train import Scores, train
from model.training.checkpoints import BestCheckpoint, LastCheckpoints, Progress
from model.training.run_folder import RunFolder
from model.training.run_log import RunLog, read_history
from model.training.train_step import make_state, make_train_step
from pipeline.config.presets import IMPROVED_LOSS
from pipeline.config.run_config import ScheduleConfig, TrainingConfig
from pipeline.reader.dataset import read_training_batches
from pipeline.records.manifest import Manifest
from tests.model import tiny
from tests.model.tiny_shape import SHAPE

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
        self,
        manifest: Manifest,
        folder: Path,
        *,
        epoch_steps: int,
        backup_steps: int = 500,
        optimizer: str = "adam",
        strategy: tf.distribute.Strategy | None = None,
        patience: int | None = None,
    ) -> None:
        self.manifest, self.epoch_steps, self.backup_steps = manifest, epoch_steps, backup_steps
        self.strategy = strategy or tf.distribute.get_strategy()
        self.config = TrainingConfig(
            schedule=ScheduleConfig(kind="exponential", base=1e-3),
            optimizer=optimizer,
            batch=4,
            epochs=10,
            epoch_steps=epoch_steps,
            average_decay=0.9,
            patience=patience,
        )
        tf.keras.utils.set_random_seed(0)
        with self.strategy.scope():
            self.state = make_state(small_network(), self.config, epoch_steps=epoch_steps)
        self.train_step = make_train_step(self.strategy, self.state, shape=SHAPE, loss=IMPROVED_LOSS)
        self.progress, self.folder = Progress(), RunFolder(folder)
        self.checkpoints = LastCheckpoints(self.folder, self.state, self.progress, Rank())
        self.restored = self.checkpoints.restore()

    def train(
        self,
        epochs: int = 1,
        *,
        before_step: Callable[[int], object] = lambda step: None,
        aps: Sequence[float] = (),
    ) -> None:
        """Trains to the end of so many epochs, the current one counted.

        Args:
            epochs: how many.
            before_step: is called with the number of each step, from 0, before it is taken.
            aps: AP on val at the end of each epoch; none if val shows no object.
        """
        first, left = self.progress.step // self.epoch_steps, iter(aps)
        history = read_history(self.folder.history, epochs=first)
        batches = read_training_batches(
            self.manifest, batch=self.config.batch, seed=0, start_step=self.progress.step, dense=True
        )

        def watched() -> Iterator[Any]:
            for batch in self.strategy.experimental_distribute_dataset(batches):
                before_step(self.progress.step)
                yield batch

        def evaluate() -> tuple[Scores, list[Any]]:
            ap = next(left, None)
            return ({} if ap is None else {"AP": ap, "AP50": ap}), []

        train(
            watched(),
            self.train_step,
            self.state,
            self.progress,
            training=replace(self.config, epochs=first + epochs),
            manifest=self.manifest,
            strategy=self.strategy,
            epoch_steps=self.epoch_steps,
            backup_steps=self.backup_steps,
            evaluate=evaluate,
            best=BestCheckpoint(self.folder, self.state.network),
            checkpoints=self.checkpoints,
            log=RunLog(self.folder, self.config, history, class_names=("a", "b", "c"), rank=Rank()),
        )

    def values(self) -> dict[str, tf.Variable]:
        """All that a step changes, without the names that Keras gives: they count on from network to network."""
        state = self.state
        kept = {f"weight {k}": v for k, v in enumerate(state.network.weights)}
        kept |= {f"optimizer's {k}": v for k, v in enumerate(state.optimizer.variables)}
        averages = {} if state.averages is None else {f"average {k}": v for k, v in enumerate(state.averages.averages)}
        return {**kept, **averages, "sums": state.losses.sums}
