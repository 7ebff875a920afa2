"""The training step: global loss, gradients summed over replicas, averaged weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from model.distribution.all_reduce import over_replicas
from model.training.addons import OptimizerAverages
from model.training.averages import AveragedWeights, averaged_weights
from model.training.loss import ssd_loss
from pipeline.config.run_config import LossConfig
from pipeline.geometry.anchors import Anchors

LOSS_PARTS = ("loss", "class_loss", "offsets_loss")
Unpack = Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, dict[str, tf.Tensor]]]
RECENT_STEPS = 50  # whose losses stay on the device until someone reads them


class Detector(tf.keras.Model):
    """A network and its training step. Make it inside the scope of a strategy.

    `fit` logs nothing, since Keras would turn the logs of every step into numbers, and so wait for every step.
    """

    def __init__(
        self,
        network: tf.keras.Model,
        *,
        anchors: Anchors,
        background: int,
        loss: LossConfig,
        average_decay: float | None,
        xla: bool = False,
        unpack: Unpack | None = None,
    ) -> None:
        """`unpack` turns a batch into (images, targets); without it, batches are already such pairs."""
        super().__init__(name="detector")
        self.network = network
        self.anchors = anchors
        self.background = background
        self.loss_config = loss
        self.xla = xla
        self.unpack = unpack
        self.averages: AveragedWeights | OptimizerAverages | None = (
            None if average_decay is None else AveragedWeights(network, average_decay)
        )
        self.means = {part: tf.keras.metrics.Mean(name=part) for part in LOSS_PARTS}
        # A row for each of the last steps, the newest last: the parts of the loss and the learning rate. Every replica
        # holds a share of them; reading gives the sum.
        self.recent = tf.Variable(
            tf.zeros([RECENT_STEPS, len(LOSS_PARTS) + 1]),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
        self.input_wait = 0.0  # seconds that the steps have spent waiting for their batches

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means over the epoch so far. Keras resets them at the start of every epoch."""
        return list(self.means.values())

    def _configure_steps_per_execution(self, steps_per_execution: int) -> None:
        """Keras's `compile` calls this. `fit` reads the number before every step, so it must not be on a device."""
        self._steps_per_execution = _HostNumber(steps_per_execution)

    def call(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """The network's predictions."""
        return self.network(images, training=training)

    def make_train_function(self, force: bool = False) -> Callable[[Iterator[Any]], dict[str, tf.Tensor]]:
        """What `fit` calls for every step. It takes the batch outside the graph, so that waiting can be timed."""
        if self.train_function is None or force:  # type: ignore[has-type]
            train_step = (
                tf.function(self.train_step, jit_compile=True, autograph=False) if self.xla else self.train_step
            )

            @tf.function(autograph=False)  # converting Keras's code would take seconds and change nothing
            def step(batch: Any) -> None:
                self.distribute_strategy.run(train_step, args=(batch,))

            def next_step(batches: Iterator[Any]) -> dict[str, tf.Tensor]:
                began = time.perf_counter()
                batch = next(batches)
                self.input_wait += time.perf_counter() - began
                step(batch)
                return {}

            self.train_function = next_step
        return self.train_function

    def train_step(self, data: Any) -> None:
        """One step on a replica's share of the global batch."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        images, targets = self.unpack(data) if self.unpack else data
        gradients, parts = self.replica_gradients(images, targets)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_variables, strict=True))
        if isinstance(self.averages, AveragedWeights):
            self.averages.update(self.network, self.optimizer.iterations)
        for name, part in parts.items():
            # Keras takes the mean over replicas and steps; times `replicas`, it is the sum of their shares.
            self.means[name].update_state(part * replicas)
        row = tf.stack([*(parts[name] for name in LOSS_PARTS), self._last_rate() / replicas])
        self.recent.assign(tf.concat([self.recent[1:], row[None]], axis=0))

    def replica_gradients(
        self, images: tf.Tensor, targets: dict[str, tf.Tensor], *, training: bool = True
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """This replica's share of the gradients and of each part of the loss, to be summed."""
        strategy = tf.distribute.get_strategy()
        scaling = self._loss_scaling()
        with tf.GradientTape() as tape:
            predictions = self.network(images, training=training)
            by_image = ssd_loss(
                predictions,
                targets,
                background=self.background,
                anchors=self.anchors,
                config=self.loss_config,
            )
            positives = over_replicas(tf.reduce_sum(by_image.positives), tf.distribute.ReduceOp.SUM)
            positives = tf.maximum(positives, 1.0)
            class_loss = tf.reduce_sum(by_image.classification) / positives
            offsets_loss = tf.reduce_sum(by_image.offsets) / positives
            penalties = self.network.losses  # none without weight decay
            penalty = tf.cast(tf.add_n(penalties), tf.float32) if penalties else 0.0
            loss = class_loss + offsets_loss + penalty / strategy.num_replicas_in_sync
            scaled = scaling.get_scaled_loss(loss) if scaling else loss
        gradients = tape.gradient(scaled, self.network.trainable_variables)
        if scaling:
            gradients = scaling.get_unscaled_gradients(gradients)
        return gradients, {"loss": loss, "class_loss": class_loss, "offsets_loss": offsets_loss}

    def recent_losses(self, steps: int) -> np.ndarray:
        """The global loss of the last steps, at most `RECENT_STEPS`: a row for each, the newest last, float32.

        A row holds the `LOSS_PARTS` and the learning rate. Waits for the device; all ranks must call it together.
        """
        return self.recent.numpy()[RECENT_STEPS - steps :]

    def evaluation_weights(self) -> list[np.ndarray]:
        """The weights to evaluate and to keep: averaged ones if there are any. In the order of `network.get_weights()`.

        Batch-norm statistics are the mean over the replicas.
        """
        if self.averages is None:
            return self.network.get_weights()
        return averaged_weights(self.network, self.averages.averages)

    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self._last_rate())

    def _last_rate(self) -> tf.Tensor:
        """The same as a tensor. Keras's optimizers keep it in a variable, its legacy ones have only the schedule."""
        rate = self.optimizer.learning_rate
        return tf.convert_to_tensor(rate(self.optimizer.iterations - 1) if callable(rate) else rate)

    def _loss_scaling(self) -> tf.keras.mixed_precision.LossScaleOptimizer | None:
        """The optimizer, if it scales the loss to keep float16 gradients from vanishing."""
        optimizer = getattr(self, "optimizer", None)
        return optimizer if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer) else None


class _HostNumber(int):
    """A number that Keras can read like a variable."""

    def numpy(self) -> np.int64:
        return np.int64(self)
