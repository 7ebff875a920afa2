"""The feature pyramid: sizes of maps, what reaches which map, and upsampling by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from model.network.feature_pyramid import NearestUpsampling, add_feature_pyramid
from model.network.layers.layer_maker import LayerMaker
from model.network.ssd import NetworkShape, build_network
from pipeline.config.presets import IMPROVED_ANCHORS
from pipeline.geometry.anchors import make_anchors
from tests.model import tiny

WITH_PYRAMID = replace(tiny.MODEL, feature_pyramid_channels=16)


@pytest.mark.parametrize("size", [(4, 6), (3, 5), (1, 2)])
def test_upsampling_repeats_cells_and_its_gradient_adds_them(size: tuple[int, int]) -> None:
    coarse = np.random.default_rng(0).normal(size=(2, (size[0] + 1) // 2, (size[1] + 1) // 2, 3)).astype(np.float32)
    x = tf.constant(coarse)
    with tf.GradientTape() as tape:
        tape.watch(x)
        fine = NearestUpsampling(size)(x)
    repeated = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, : size[0], : size[1]]
    np.testing.assert_array_equal(fine, repeated)
    counts = tape.gradient(fine, x).numpy()[0, :, :, 0]
    rows, columns = (np.bincount(np.arange(n) // 2) for n in size)
    np.testing.assert_array_equal(counts, np.outer(rows, columns))


def test_a_map_sees_the_coarser_ones_alone() -> None:
    inputs = {stride: tf.keras.Input((cells, cells, 5)) for stride, cells in ((8, 9), (16, 5), (32, 3))}
    found = add_feature_pyramid(inputs, LayerMaker(WITH_PYRAMID), channels=16)
    assert {stride: x.shape[1:] for stride, x in found.items()} == {8: (9, 9, 16), 16: (5, 5, 16), 32: (3, 3, 16)}
    model = tf.keras.Model(inputs, found)
    bits = np.random.default_rng(0)
    values = {stride: tf.constant(bits.normal(size=(1, *x.shape[1:])), tf.float32) for stride, x in inputs.items()}
    for stride in inputs:
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(model(values)[stride])
        gradients = tape.gradient(total, values, unconnected_gradients="zero")
        seen = {other for other, gradient in gradients.items() if np.any(gradient)}
        assert seen == {other for other in inputs if other >= stride}


@pytest.mark.parametrize("size", [64, 72])
def test_heads_stand_on_the_new_maps(size: int) -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (size, size))
    network = build_network(
        WITH_PYRAMID, NetworkShape((size, size), IMPROVED_ANCHORS.strides, anchors, tiny.CLASS_COUNT)
    )
    assert network.output_shape["offsets"] == (None, len(anchors), 4)
    assert all(network.get_layer(f"scores_{k}").input.shape[-1] == 16 for k in range(6))
