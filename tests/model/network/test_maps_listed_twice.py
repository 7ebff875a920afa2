"""A network whose anchors have two scales on one feature map: the map is listed twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from model.network.ssd import NetworkShape, build_network
from pipeline.config.presets import IMPROVED_ANCHORS
from pipeline.config.run_config import ModelConfig
from pipeline.geometry.anchors import make_anchors


def test_a_map_that_is_listed_twice_has_two_heads() -> None:
    preset = IMPROVED_ANCHORS
    anchors_config = replace(
        preset,
        strides=(8, *preset.strides),
        scales=(0.05, *preset.scales),
        aspect_ratios=((1.0, 2.0), *preset.aspect_ratios),
    )
    anchors = make_anchors(anchors_config, (64, 64))
    shape = NetworkShape(64, anchors_config.strides, anchors, class_count=3)
    network = build_network(ModelConfig(width_multiplier=0.25), shape)
    outputs = network(np.zeros((2, 64, 64, 3), np.uint8))
    assert outputs["logits"].shape == (2, len(anchors), 4) and outputs["offsets"].shape == (2, len(anchors), 4)
    assert network.get_layer("scores_0").input is network.get_layer("scores_1").input
