"""A backbone is one file and one line: one that is defined here builds, trains, freezes and takes weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.network.backbones.backbone import KERAS, Backbone
from model.network.backbones.registry import BACKBONES, find_backbone
from model.network.layers.layer_maker import LayerMaker
from model.network.ssd import build_network
from model.network.weights.keras_file import read_keras_file
from model.network.weights.parts import list_network_parts, list_network_weights, take_weights
from pipeline.errors import UserError
from tests.model import tiny
from tests.model.tiny_shape import SHAPE

MODEL = replace(tiny.MODEL, backbone="small", feature_pyramid_channels=8)


class OwnLayers(LayerMaker):
    """Batch norm as another framework has it."""

    epsilon = 1e-5


def _build(images: tf.Tensor, layers_of: Callable[[str], LayerMaker]) -> dict[int, tf.Tensor]:
    x, maps = tf.keras.layers.Rescaling(1 / 255, name="unit")(images), {}
    for number, part in enumerate(SMALL.parts):
        make = layers_of(part)
        x = make.batch_norm(make.convolution(x, make.channels(32), 3, stride=2, name=part), name=f"{part}_bn")
        maps[2 << number] = x
    return maps


def _name(theirs: str) -> str | None:
    return theirs.removesuffix(":0").replace("conv2d", "stem") if theirs.startswith("conv2d/") else None


SMALL = Backbone(
    title="SmallNet",
    parts=("stem", "middle", "end"),
    build=_build,
    names={KERAS: _name},
    most_weights=100_000,
    layers=OwnLayers,
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "small", SMALL)


def test_it_trains_but_for_its_frozen_parts() -> None:
    network = build_network(replace(MODEL, freeze=1), SHAPE)
    parts = ["stem", "middle", "end", *(f"extra_{number}" for number in range(5)), "feature_pyramid", "heads"]
    assert list(list_network_parts(network, SMALL)) == parts
    assert {layer.epsilon for layer in network.layers if hasattr(layer, "epsilon")} == {1e-5}
    before = list_network_weights(network)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    with tf.GradientTape() as tape:
        outputs = network(images, training=True)
        loss = tf.reduce_mean(outputs["logits"] ** 2) + tf.reduce_mean(outputs["offsets"] ** 2) + sum(network.losses)
    gradients = tape.gradient(loss, network.trainable_variables)
    tf.keras.optimizers.SGD(0.1).apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    kept = {name for name, value in list_network_weights(network).items() if np.array_equal(value, before[name])}
    assert kept == {name for name in before if name.startswith(("stem", "middle"))}


def test_it_takes_weights_by_the_names_that_it_knows(tmp_path: Path) -> None:
    images = tf.keras.Input([64, 64, 3])
    theirs = tf.keras.Model(images, tf.keras.layers.Conv2D(8, 3, use_bias=False, name="conv2d")(images))
    theirs.save_weights(tmp_path / "weights.h5")
    parts = list_network_parts(build_network(MODEL, SHAPE), SMALL)
    weights = read_keras_file(tmp_path / "weights.h5", SMALL)
    np.testing.assert_array_equal(weights["stem/kernel"], theirs.get_weights()[0])
    assert take_weights({"stem": {"stem/kernel": parts["stem"]["stem/kernel"]}}, weights, source="file") == ["stem"]


def test_unknown_names_and_too_many_blocks_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^model\.backbone must be one of mobilenet_v2_block9, small, got 'big'$"):
        build_network(replace(MODEL, backbone="big"), SHAPE)
    with pytest.raises(UserError, match=r"^freeze must be from 0 to 2, got 3$"):
        find_backbone(replace(MODEL, freeze=3))
