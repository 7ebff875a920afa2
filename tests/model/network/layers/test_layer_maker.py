"""Layers of every part: scaled channels, and convolutions over one cell."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.network.layers.layer_maker import OneCellConv2D, scale_channels
from model.network.ssd import NetworkShape, build_network
from pipeline.config.presets import IMPROVED_ANCHORS
from tests.model import tiny


@pytest.mark.parametrize(("channels", "width", "scaled"), [(32, 1.0, 32), (24, 0.5, 16), (16, 0.25, 8), (24, 0.35, 8)])
def test_channels_are_scaled_to_multiples_of_eight(channels: int, width: float, scaled: int) -> None:
    assert scale_channels(channels, width) == scaled


def test_a_convolution_over_one_cell_is_that_of_keras() -> None:
    network = build_network(
        tiny.MODEL, NetworkShape((64, 64), IMPROVED_ANCHORS.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    )
    names = [layer.name for layer in network.layers if isinstance(layer, OneCellConv2D)]
    assert names == ["extra_2_b", "extra_3_b"]  # 64 pixels: strides 128 and 256 follow on one cell
    cell = tf.constant(np.random.default_rng(0).normal(size=(4, 1, 1, 8)), tf.float32)
    ours, keras = (kind(16, 3, strides=2, padding="same") for kind in (OneCellConv2D, tf.keras.layers.Conv2D))
    ours.build(cell.shape)
    keras.build(cell.shape)
    keras.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(cell), keras(cell), rtol=1e-6, atol=1e-6)


def test_its_gradient_in_bfloat16_is_nothing_beside_the_middle() -> None:
    layer = OneCellConv2D(64, 3, strides=2, padding="same", dtype="mixed_bfloat16")
    cell = tf.constant(np.random.default_rng(0).normal(size=(4, 1, 1, 32)), tf.bfloat16)
    layer.build(cell.shape)

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.cast(layer(cell), tf.float32))
        return tape.gradient(total, layer.kernel)

    for _ in range(20):  # the fault showed in one of three
        tf.fill([4, 3, 3, 32, 64], np.float32("nan"))  # leaves its memory to the next
        found = gradient().numpy()
        assert found[1, 1].any()
        found[1, 1] = 0.0
        assert not found.any()
