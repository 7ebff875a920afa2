"""Frozen blocks: neither gradients, penalties nor batches change them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from model.network.ssd import build_network
from model.network.weights.parts import list_network_weights
from tests.model import tiny
from tests.model.tiny_shape import SHAPE


def frozen_names(freeze: int) -> tuple[str, ...]:
    return ("stem", *(f"block_{number}_" for number in range(freeze))) if freeze else ()


@pytest.mark.parametrize("freeze", [0, 1, 4, 10])
def test_the_first_blocks_are_not_trained_and_have_no_penalty(freeze: int) -> None:
    network = build_network(replace(tiny.MODEL, freeze=freeze), SHAPE)
    for layer in network.layers:
        if layer.weights:
            assert layer.trainable != layer.name.startswith(frozen_names(freeze) or "none"), layer.name
    kernels = [weight for weight in network.trainable_weights if "kernel" in weight.name]
    assert len(network.losses) == len(kernels)
    free = build_network(tiny.MODEL, SHAPE)
    assert [w.shape for w in network.get_weights()] == [w.shape for w in free.get_weights()]  # in the same order


@pytest.mark.parametrize("synchronized", [False, True])
def test_their_batch_norm_normalises_by_its_statistics_and_keeps_them(synchronized: bool) -> None:
    config = replace(tiny.MODEL, freeze=4, synchronized_batch_norm=synchronized)
    network = build_network(config, SHAPE)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    before = list_network_weights(network)
    features = tf.keras.Model(network.input, network.get_layer("block_3_project_bn").output)
    # Not to the last bit: in inference the convolution and batch norm may be fused.
    np.testing.assert_allclose(features(images, training=True), features(images, training=False), rtol=1e-5, atol=1e-6)
    network(images, training=True)
    for name, value in list_network_weights(network).items():
        if name.endswith(("/moving_mean", "/moving_variance")):
            assert np.array_equal(value, before[name]) == name.startswith(frozen_names(4)), name
