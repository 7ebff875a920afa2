"""Averaged weights: an exponential moving average of what the optimizer changes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class AveragedWeights(tf.Module):
    """The averages of a network's trainable weights; made inside the scope of the strategy that made it.

    After step t (from 1) an average moves by 1 - min(decay, (1 + t) / (10 + t)) towards its weight, so that
    the first weights are forgotten soon. Every replica keeps its own copy of what is equal on all of them,
    without communication.

    Batch-norm statistics are not averaged: those of other weights would not fit. The evaluation computes its
    own (`Evaluator.fit_statistics`).
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
        """Moves every average; call it inside the replica, after `step` (from 1) has changed the weights."""
        t = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self.decay, (1.0 + t) / (10.0 + t))
        for average, variable in zip(self.averages, network.trainable_variables, strict=True):
            average.assign_add(share * (variable - average))

    def weights_of(self, network: tf.keras.Model) -> list[np.ndarray]:
        """All weights, averaged where there is an average, in the order of `network.get_weights()`.

        Call it outside the replicas.
        """
        averaged = {id(v): a for v, a in zip(network.trainable_variables, self.averages, strict=True)}
        current = zip(network.weights, network.get_weights(), strict=True)
        return [averaged[id(v)].numpy() if id(v) in averaged else value for v, value in current]
