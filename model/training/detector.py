"""The training step: global loss, gradients summed over replicas, averaged weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from model.distribution.all_reduce import over_replicas
from model.training.addons import OptimizerAverages
from model.training.averages import AveragedWeights
from model.training.loss import ssd_loss
from pipeline.config.run_config import LossConfig
from pipeline.geometry.anchors import Anchors

LOSS_PARTS = ("loss", "class_loss", "offsets_loss")


class Detector(tf.keras.Model):
    """A network and how it learns. Made inside the scope of a strategy; its `fit` logs the global loss."""

    def __init__(
        self,
        network: tf.keras.Model,
        *,
        anchors: Anchors,
        background: int,
        loss: LossConfig,
        average_decay: float | None,
        xla: bool = False,
    ) -> None:
        super().__init__(name="detector")
        self.network = network
        self.anchors = anchors
        self.background = background
        self.loss_config = loss
        self.xla = xla
        self.averages: AveragedWeights | OptimizerAverages | None = (
            None if average_decay is None else AveragedWeights(network, average_decay)
        )
        self.means = {part: tf.keras.metrics.Mean(name=part) for part in LOSS_PARTS}
        # Each part of the last step's loss: a share on every replica, their sum where it is read.
        self.last = {
            part: tf.Variable(
                0.0,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for part in LOSS_PARTS
        }
        self.input_wait = 0.0  # seconds that the steps have waited for their batches

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means over the epoch so far; Keras resets them at every epoch."""
        return list(self.means.values())

    def call(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """The network's predictions."""
        return self.network(images, training=training)

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Any]], dict[str, tf.Tensor]]:
        """What `fit` calls for every step. The batch is taken outside of the graph, so that waiting can be timed."""
        if self.train_function is None or force:  # type: ignore[has-type]
            train_step = (
                tf.function(self.train_step, jit_compile=True, autograph=False) if self.xla else self.train_step
            )

            @tf.function(autograph=False)  # whose conversion of Keras's code takes seconds, for nothing
            def step(batch: Any) -> dict[str, tf.Tensor]:
                self.distribute_strategy.run(train_step, args=(batch,))
                return {name: mean.result() for name, mean in self.means.items()}

            def next_step(batches: Iterator[Any]) -> dict[str, tf.Tensor]:
                began = time.perf_counter()
                batch = next(batches)
                self.input_wait += time.perf_counter() - began
                return step(batch)

            self.train_function = next_step
        return self.train_function

    def train_step(self, data: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> None:
        """One step on a replica's share of the global batch."""
        gradients, parts = self.replica_gradients(*data)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_variables, strict=True))
        if isinstance(self.averages, AveragedWeights):
            self.averages.update(self.network, self.optimizer.iterations)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for name, part in parts.items():
            self.last[name].assign(part)
            # The sum of the replicas' shares, as the mean that Keras takes over replicas and steps.
            self.means[name].update_state(part * replicas)

    def replica_gradients(
        self, images: tf.Tensor, targets: dict[str, tf.Tensor], *, training: bool = True
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """This replica's share of the gradients and of each part of the loss, to be summed."""
        strategy = tf.distribute.get_strategy()
        scaling = self._loss_scaling()
        with tf.GradientTape() as tape:
            predictions = self.network(images, training=training)
            by_picture = ssd_loss(
                predictions,
                targets,
                background=self.background,
                anchors=self.anchors,
                config=self.loss_config,
            )
            positives = over_replicas(tf.reduce_sum(by_picture.positives), tf.distribute.ReduceOp.SUM)
            positives = tf.maximum(positives, 1.0)
            class_loss = tf.reduce_sum(by_picture.classification) / positives
            offsets_loss = tf.reduce_sum(by_picture.offsets) / positives
            penalties = self.network.losses  # none without weight decay
            penalty = tf.cast(tf.add_n(penalties), tf.float32) if penalties else 0.0
            loss = class_loss + offsets_loss + penalty / strategy.num_replicas_in_sync
            scaled = scaling.get_scaled_loss(loss) if scaling else loss
        gradients = tape.gradient(scaled, self.network.trainable_variables)
        if scaling:
            gradients = scaling.get_unscaled_gradients(gradients)
        return gradients, {"loss": loss, "class_loss": class_loss, "offsets_loss": offsets_loss}

    def evaluation_weights(self) -> list[np.ndarray]:
        """The weights to evaluate and to keep: the averages, where there are any.

        Batch-norm statistics are the mean over the replicas. In the order of `network.get_weights()`.
        """
        return self.network.get_weights() if self.averages is None else self.averages.weights_of(self.network)

    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        rate = self.optimizer.learning_rate
        return float(tf.convert_to_tensor(rate(self.optimizer.iterations - 1) if callable(rate) else rate))

    def _loss_scaling(self) -> tf.keras.mixed_precision.LossScaleOptimizer | None:
        """The optimizer, where it scales the loss so that float16 gradients do not vanish."""
        optimizer = getattr(self, "optimizer", None)
        return optimizer if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer) else None
