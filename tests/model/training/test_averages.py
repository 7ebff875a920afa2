"""Averaged weights against the recursion written out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.training.averages import AveragedWeights, get_averaged_weights


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_averages_forget_the_first_weights_soon_and_then_decay(decay: float) -> None:
    network = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,)), tf.keras.layers.BatchNormalization()])
    averages = AveragedWeights(network, decay)
    trainable = [id(weight) in {id(w) for w in network.trainable_weights} for weight in network.weights]
    expected = [weight.astype(np.float64) for weight in network.get_weights()]
    bits = np.random.default_rng(0)
    for step in range(1, 8):
        network.set_weights([bits.normal(size=weight.shape) for weight in expected])
        averages.update(network, tf.constant(step, tf.int64))
        d = min(decay, (1 + step) / (10 + step))
        current = zip(expected, network.get_weights(), trainable, strict=True)
        expected = [d * a + (1 - d) * w if averaged else w for a, w, averaged in current]
    assert len(expected) == 6  # kernel, bias, gamma, beta, and the two statistics, which are not averaged
    for average, wanted in zip(get_averaged_weights(network, averages.averages), expected, strict=True):
        np.testing.assert_allclose(average, wanted, rtol=1e-5, atol=1e-6)
