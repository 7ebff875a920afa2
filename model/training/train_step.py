"""The training step: canvases and targets, loss, gradients summed over replicas, weights and their averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from model.distribution.strategies import reduce_over_replicas
from model.network.ssd import NetworkShape
from model.training.addons import AVERAGING, OptimizerAverages
from model.training.averages import AveragedWeights, get_averaged_weights
from model.training.loss import ssd_loss
from model.training.optimizers import make_optimizer
from model.training.schedule import LearningRate
from model.training.step_losses import StepLosses
from pipeline.config.run_config import LossConfig, TrainingConfig

Targets = dict[str, tf.Tensor]  # `classes` int32 [B, N] and `offsets` float32 [B, N, 4]
Unpack = Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, Targets]]
LossScaling = tf.keras.mixed_precision.LossScaleOptimizer


@dataclass(frozen=True)
class TrainState:
    """All that the steps of a training change. Its variables belong to the strategy in whose scope they were made."""

    network: tf.keras.Model
    optimizer: Any  # Keras's, one that scales the loss, or one of tensorflow-addons
    averages: AveragedWeights | OptimizerAverages | None
    losses: StepLosses

    def get_evaluation_weights(self) -> list[np.ndarray]:
        """The weights to evaluate and to keep: averaged ones if there are any. In the order of `network.get_weights()`.

        Batch-norm statistics are the mean over the replicas. All ranks must call it together.
        """
        if self.averages is None:
            return self.network.get_weights()
        return get_averaged_weights(self.network, self.averages.averages)


def make_state(network: tf.keras.Model, training: TrainingConfig, *, epoch_steps: int) -> TrainState:
    """The state of a new training of a network. Call it inside the strategy's scope.

    Raises `UserError` for an optimizer that is unknown, missing, or does not work with the precision.
    """
    rate = LearningRate(training.schedule, epoch_steps=epoch_steps, epochs=training.epochs)
    variables = network.trainable_variables
    optimizer = make_optimizer(training.optimizer, rate, precision=training.precision, variables=variables)
    averages: AveragedWeights | OptimizerAverages | None = None
    if training.optimizer in AVERAGING:
        averages = OptimizerAverages(optimizer, variables)
    elif training.average_decay is not None:
        averages = AveragedWeights(network, training.average_decay)
    return TrainState(network, optimizer, averages, StepLosses())


def make_train_step(
    strategy: tf.distribute.Strategy,
    state: TrainState,
    *,
    shape: NetworkShape,
    loss: LossConfig,
    unpack: Unpack | None = None,
    xla: bool = False,
) -> Callable[[Any], None]:
    """The function that trains on a global batch, distributed over the replicas. It returns without waiting for them.

    Args:
        strategy: of the replicas.
        state: what a step changes.
        shape: of the network.
        loss: which loss.
        unpack: makes uint8 images [B, H, W, 3] and targets of a batch, as part of the step; without it, batches are
            already such pairs.
        xla: whether to compile the step with XLA, for one replica only.
    """

    def on_replica(batch: Any) -> None:
        """A step on this replica's share of the batch."""
        images, targets = unpack(batch) if unpack else batch
        gradients, parts = compute_gradients(state, images, targets, shape=shape, loss=loss)
        state.optimizer.apply_gradients(zip(gradients, state.network.trainable_variables, strict=True))  # of their sum
        if isinstance(state.averages, AveragedWeights):
            state.averages.update(state.network, state.optimizer.iterations)
        state.losses.add(parts, _get_last_rate(state.optimizer) / strategy.num_replicas_in_sync)

    compiled = tf.function(on_replica, jit_compile=True, autograph=False) if xla else on_replica

    @tf.function(autograph=False)  # converting Keras's code would take seconds and change nothing
    def train_step(batch: Any) -> None:
        strategy.run(compiled, args=(batch,))

    return train_step


def compute_gradients(
    state: TrainState,
    images: tf.Tensor,
    targets: Targets,
    *,
    shape: NetworkShape,
    loss: LossConfig,
    training: bool = True,
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """This replica's share of the gradients and of each of the `LOSS_PARTS`: added over the replicas, they are global.

    Args:
        images: uint8 [B, H, W, 3], this replica's share of the global batch.
        targets: theirs.
        training: whether batch norm uses the statistics of the batch.
        state, shape, loss: as for `make_train_step`.
    """
    scaling = state.optimizer if isinstance(state.optimizer, LossScaling) else None  # keeps float16 from vanishing
    with tf.GradientTape() as tape:
        predictions = state.network(images, training=training)
        by_image = ssd_loss(predictions, targets, shape=shape, config=loss)
        positives = reduce_over_replicas(tf.reduce_sum(by_image.positives), tf.distribute.ReduceOp.SUM)
        positives = tf.maximum(positives, 1.0)
        class_loss = tf.reduce_sum(by_image.classification) / positives
        offsets_loss = tf.reduce_sum(by_image.offsets) / positives
        penalties = state.network.losses  # none without weight decay
        penalty = tf.cast(tf.add_n(penalties), tf.float32) if penalties else 0.0
        total = class_loss + offsets_loss + penalty / tf.distribute.get_strategy().num_replicas_in_sync
        scaled = scaling.get_scaled_loss(total) if scaling else total
    gradients = tape.gradient(scaled, state.network.trainable_variables)
    if scaling:
        gradients = scaling.get_unscaled_gradients(gradients)
    return gradients, {"loss": total, "class_loss": class_loss, "offsets_loss": offsets_loss}


def _get_last_rate(optimizer: Any) -> tf.Tensor:
    """The learning rate of the last step. Keras's optimizers keep it, its legacy ones have only the schedule."""
    rate = optimizer.learning_rate
    return tf.convert_to_tensor(rate(optimizer.iterations - 1) if callable(rate) else rate)
