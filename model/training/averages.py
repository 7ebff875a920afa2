"""Averaged weights: an exponential moving average of what the optimizer changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


class AveragedWeights(tf.Module):
    """The averages of a network's trainable weights. Make it inside the scope of the network's strategy.

    After step t (from 1) an average moves by 1 - min(decay, (1 + t) / (10 + t)) towards its weight, so that
    the initial weights are soon forgotten. Every replica keeps its own copy of values that are the same on all of
    them, which needs no communication.

    Batch-norm statistics are not averaged: an average would not fit the averaged weights. `Evaluator.fit_statistics`
    computes the ones that do.
    """

    def __init__(self, network: tf.keras.Model, decay: float) -> None:
        super().__init__(name="averages")
        self.decay = decay
        self.averages = [
            tf.Variable(
                variable,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for variable in network.trainable_variables
        ]

    def update(self, network: tf.keras.Model, step: tf.Tensor) -> None:
        """Moves every average. Call it inside the replica, after step number `step` (from 1) changed the weights."""
        t = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self.decay, (1.0 + t) / (10.0 + t))
        for average, variable in zip(self.averages, network.trainable_variables, strict=True):
            average.assign_add(share * (variable - average))


def get_averaged_weights(network: tf.keras.Model, averages: Sequence[tf.Variable]) -> list[np.ndarray]:
    """A network's weights with averages in place of the trainable ones, in the order of `network.get_weights()`.

    Call it outside the replicas.

    Args:
        network: whose other weights, the batch-norm statistics, stay as they are.
        averages: one for each of its trainable variables, in their order.
    """
    averaged = {id(v): average for v, average in zip(network.trainable_variables, averages, strict=True)}
    current = zip(network.weights, network.get_weights(), strict=True)
    return [averaged[id(v)].numpy() if id(v) in averaged else value for v, value in current]
