"""Averaged weights: an exponential moving average of every weight, batch-norm statistics included."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class AveragedWeights(tf.Module):
    """The averages of a network's weights; made inside the scope of the strategy that made the network.

    After step t (from 1) an average moves by 1 - min(decay, (1 + t) / (10 + t)) towards its weight, so that
    the first weights are forgotten soon. Every replica keeps its own copy, without communication; a read from
    outside takes the first copy of what is equal anyway, and the mean of batch-norm statistics.
    """

    def __init__(self, network: tf.keras.Model, decay: float) -> None:
        super().__init__(name="averages")
        self.decay = decay
        trainable = {id(variable) for variable in network.trainable_variables}
        self.averages = [
            tf.Variable(
                variable,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
                if id(variable) in trainable
                else tf.VariableAggregation.MEAN,
            )
            for variable in network.weights
        ]

    def update(self, network: tf.keras.Model, step: tf.Tensor) -> None:
        """Moves every average; call it inside the replica, after `step` (from 1) has changed the weights."""
        t = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self.decay, (1.0 + t) / (10.0 + t))
        for average, variable in zip(self.averages, network.weights, strict=True):
            average.assign_add(share * (variable - average))

    def values(self) -> list[np.ndarray]:
        """The averages, in the order of `network.get_weights()`; call it outside the replicas."""
        return [average.numpy() for average in self.averages]
