"""MobileNetV2 (arXiv 1801.04381) up to block 9, its last of stride 16: maps of stride 2 to 16."""

from __future__ import annotations

import re
from collections.abc import Callable

import tensorflow as tf

from model.network.backbones.backbone import KERAS, Backbone, PublishedFile
from model.network.layers.layer_maker import LayerMaker

layers = tf.keras.layers

# Channels, blocks, and stride of the first block, in the order of the paper's table 2.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2))
_PARTS = ("stem", *(f"block_{number}" for number in range(sum(count for _, count, _ in _STAGES))))
_OUR_LAYERS = re.compile(rf"stem(_bn)?|({'|'.join(_PARTS[1:])})_(expand|depthwise|project)(_bn)?")


def _build(images: tf.Tensor, layers_of: Callable[[str], LayerMaker]) -> dict[int, tf.Tensor]:
    """The last map of each stride, 2 to 16. Block 9 has 64 channels at width 1.0. Pixels are scaled to [-1, 1]."""
    stem = layers_of("stem")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(images)
    x = stem.convolution(x, stem.channels(32), 3, stride=2, name="stem")
    x = layers.ReLU(6.0, name="stem_relu")(stem.batch_norm(x, name="stem_bn"))
    stride, number, maps = 2, 0, {}
    for channels, count, first_stride in _STAGES:
        stride *= first_stride
        for repeat in range(count):
            x = add_inverted_residual(
                x,
                channels,
                expansion=6 if number else 1,
                stride=first_stride if repeat == 0 else 1,
                name=f"block_{number}",
                make=layers_of(f"block_{number}"),
            )
            number += 1
        maps[stride] = x
    return maps


def add_inverted_residual(
    x: tf.Tensor, channels: int, *, expansion: int, stride: int, name: str, make: LayerMaker
) -> tf.Tensor:
    """Expansion, depthwise, linear projection; added to the input if the shapes agree (section 3.3).

    Args:
        x: float [B, H, W, C].
        channels: of the output, at width 1.0.
        expansion: channels between, as a multiple of C; 1 leaves the expansion out.
        stride: of the depthwise convolution.
        name: what its layers' names begin with.
        make: makes them.
    """
    inputs, in_channels, out_channels = x, x.shape[-1], make.channels(channels)
    if expansion > 1:
        x = make.convolution(x, expansion * in_channels, 1, name=f"{name}_expand")
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(make.batch_norm(x, name=f"{name}_expand_bn"))
    x = make.depthwise(x, stride=stride, name=f"{name}_depthwise")
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(make.batch_norm(x, name=f"{name}_depthwise_bn"))
    x = make.batch_norm(make.convolution(x, out_channels, 1, name=f"{name}_project"), name=f"{name}_project_bn")
    return layers.Add(name=f"{name}_add")([inputs, x]) if stride == 1 and in_channels == out_channels else x


def _keras_name(theirs: str) -> str | None:
    """`block_1_expand_BN/gamma:0` -> `block_1_expand_bn/gamma`; None for a layer that we lack.

    In Keras Applications the first block is called `expanded_conv`, and the stem `Conv1`.
    """
    match = re.fullmatch(r"(?:.*/)?([^/]+)/([a-z_]+)(?::0)?", theirs)
    if match is None:
        return None
    layer, weight = match.groups()
    layer = {"Conv1": "stem", "bn_Conv1": "stem_bn"}.get(layer, layer)
    layer = re.sub("^expanded_conv_", "block_0_", layer).removesuffix("_BN") + ("_bn" if layer.endswith("_BN") else "")
    return f"{layer}/{weight}" if _OUR_LAYERS.fullmatch(layer) else None


BACKBONE = Backbone(
    title="MobileNetV2",
    parts=_PARTS,
    build=_build,
    names={KERAS: _keras_name},
    most_weights=1 << 24,
    imagenet=PublishedFile(  # made for 224 pixels, but width and layers decide what fits, not pixels
        url="https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        sha256="3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3",
    ),
)
