"""A network's weights by name and by part, and pretrained weights put into them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.network.backbones.backbone import Backbone
from pipeline.errors import UserError

Weights = Mapping[str, NDArray[np.float32]]  # `<layer>/<weight>`, such as `block_1_expand_bn/gamma`

PYRAMID, HEADS = "feature_pyramid", "heads"  # parts of a network, after its backbone's and `extra_0`, `extra_1`, …


def list_network_weights(network: tf.keras.Model) -> dict[str, NDArray[np.float32]]:
    """The weights of one of our own networks, by name."""
    return {name: variable.numpy() for name, variable in _variables(network).items()}


def list_network_parts(network: tf.keras.Model, backbone: Backbone) -> dict[str, dict[str, tf.Variable]]:
    """A network's variables by part, from the image on: the backbone's parts, `extra_0`, …, `PYRAMID`, `HEADS`."""
    parts: dict[str, dict[str, tf.Variable]] = {}
    for name, variable in _variables(network).items():
        part = backbone.part_of(name.partition("/")[0])
        if part is None:
            match = re.match(rf"extra_\d+|{PYRAMID}|scores|shifts", name)
            assert match, name
            part = HEADS if match[0] in ("scores", "shifts") else match[0]
        parts.setdefault(part, {})[name] = variable
    return parts


def take_weights(parts: Mapping[str, Mapping[str, tf.Variable]], weights: Weights, *, source: str) -> list[str]:
    """Puts weights into parts of a network. A part that lacks any weight is left as it is.

    Returns:
        The parts that took theirs.

    Raises:
        UserError: naming the source, if a weight has another shape than the network's, or holds NaN or infinity.
    """
    taken = []
    for part, variables in parts.items():
        if not variables.keys() <= weights.keys():
            continue
        for name, variable in variables.items():
            value = weights[name]
            if value.shape != tuple(variable.shape):
                raise UserError(
                    f"{source} must fit the network: {name} must have the shape {tuple(variable.shape)}, got "
                    f"{value.shape}; its width or its kind is another"
                )
            if not np.isfinite(value).all():
                raise UserError(f"{source} has NaN or infinity in {name}")
        for name, variable in variables.items():
            variable.assign(weights[name])
        taken.append(part)
    return taken


def _variables(network: tf.keras.Model) -> dict[str, tf.Variable]:
    return {
        f"{layer.name}/{variable.name.rsplit('/', 1)[-1].partition(':')[0]}": variable
        for layer in network.layers
        for variable in layer.weights
    }
