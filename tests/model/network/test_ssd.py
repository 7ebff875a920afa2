"""The network: sizes, parameters, and outputs in the order of the anchors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from model.network.ssd import NetworkShape, build_network
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MODEL, IMPROVED_ANCHORS, IMPROVED_MODEL
from pipeline.errors import UserError
from pipeline.geometry.anchors import Anchors, FeatureMap, make_anchors
from tests.model import tiny
from tests.model.tiny_shape import SHAPE

STRIDES = IMPROVED_ANCHORS.strides


def test_the_baseline_has_its_known_number_of_parameters() -> None:
    anchors = make_anchors(BASELINE_ANCHORS, (224, 224))
    network = build_network(BASELINE_MODEL, NetworkShape((224, 224), BASELINE_ANCHORS.strides, anchors, 10))
    assert network.count_params() == 3_004_928
    assert sum(weight.shape.num_elements() for weight in network.non_trainable_weights) == 9_408
    assert network.output_shape == {"logits": (None, 798, 11), "offsets": (None, 798, 4)}


@pytest.mark.parametrize(("size", "count"), [(224, 4722), (112, 1206), (64, 390)])
def test_the_improved_network_fits_its_anchors_at_every_size(size: int, count: int) -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (size, size))
    network = build_network(
        replace(IMPROVED_MODEL, width_multiplier=0.25), NetworkShape((size, size), STRIDES, anchors, 3)
    )
    assert network.output_shape == {"logits": (None, count, 4), "offsets": (None, count, 4)}


def test_outputs_are_ordered_by_map_row_column_and_box() -> None:
    network = build_network(tiny.MODEL, SHAPE)
    heads = {
        "logits": [network.get_layer(f"scores_{k}").output for k in range(6)],
        "offsets": [network.get_layer(f"shifts_{k}").output for k in range(6)],
    }
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    outputs, maps = tf.keras.Model(network.input, [network.output, heads])(image)
    for name, values in (("logits", tiny.CLASS_COUNT + 1), ("offsets", 4)):
        index = 0
        for feature_map, head in zip(tiny.ANCHORS.feature_maps, maps[name], strict=True):
            for row in range(feature_map.size[0]):
                for column in range(feature_map.size[1]):
                    for box in range(len(feature_map.boxes)):
                        expected = head[0, row, column, box * values : (box + 1) * values]
                        np.testing.assert_array_equal(outputs[name][0, index], expected)
                        index += 1
        assert index == len(tiny.ANCHORS)


def test_a_rectangular_canvas_has_rectangular_maps() -> None:
    anchors = make_anchors(IMPROVED_ANCHORS, (64, 96))
    network = build_network(tiny.MODEL, NetworkShape((64, 96), STRIDES, anchors, tiny.CLASS_COUNT))
    outputs = network(np.zeros((1, 64, 96, 3), np.uint8))
    assert outputs["logits"].shape == (1, len(anchors), tiny.CLASS_COUNT + 1)


def test_the_first_predictions_are_the_prior_and_no_offsets() -> None:
    network = build_network(tiny.MODEL, SHAPE)
    outputs = network(np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8))
    scores = tf.nn.softmax(outputs["logits"]).numpy()
    np.testing.assert_allclose(scores[..., -1], 0.75, atol=0.1)
    np.testing.assert_allclose(scores[..., :-1], 0.25 / tiny.CLASS_COUNT, atol=0.05)
    np.testing.assert_allclose(outputs["offsets"], 0.0, atol=0.5)


def test_pixels_are_scaled_to_minus_one_and_one() -> None:
    network = build_network(tiny.MODEL, SHAPE)
    scaled = tf.keras.Model(network.input, network.get_layer("rescaling").output)
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[0, 0] = 255
    assert scaled(image).numpy().min() == -1.0 and scaled(image).numpy().max() == 1.0


def test_regularised_are_all_convolution_kernels_and_nothing_else() -> None:
    network = build_network(tiny.MODEL, SHAPE)
    kernels = [w.numpy() for w in network.trainable_weights if "kernel" in w.name]
    expected = sum(4e-5 * float((kernel.astype(np.float64) ** 2).sum()) for kernel in kernels)
    assert len(kernels) == len(network.losses)
    assert float(tf.add_n(network.losses)) == pytest.approx(expected, rel=1e-5)


def test_anchors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"anchors.strides must be among 2, 4, 8, .*, got 12"):
        build_network(tiny.MODEL, NetworkShape((64, 64), (12, *STRIDES[1:]), tiny.ANCHORS, 3))
    maps = tiny.ANCHORS.feature_maps
    other = Anchors((FeatureMap((7, 7), maps[0].boxes), *maps[1:]))
    with pytest.raises(UserError, match=r"stride 8 must lie on 8 x 8 cells, .* got 7 x 7"):
        build_network(tiny.MODEL, NetworkShape((64, 64), STRIDES, other, 3))


def test_a_map_that_is_listed_twice_has_two_heads() -> None:
    anchors_config = replace(
        IMPROVED_ANCHORS,
        strides=(8, *STRIDES),
        scales=(0.05, *IMPROVED_ANCHORS.scales),
        aspect_ratios=((1.0, 2.0), *IMPROVED_ANCHORS.aspect_ratios),
    )
    anchors = make_anchors(anchors_config, (64, 64))
    network = build_network(tiny.MODEL, NetworkShape((64, 64), anchors_config.strides, anchors, 3))
    assert network.output_shape == {"logits": (None, len(anchors), 4), "offsets": (None, len(anchors), 4)}
    assert network.get_layer("scores_0").input is network.get_layer("scores_1").input
