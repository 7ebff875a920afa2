"""The network: a backbone, the extra layers of SSD, perhaps a feature pyramid, and the two heads of every map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tensorflow as tf

from model.network.backbones.registry import find_backbone
from model.network.feature_pyramid import add_feature_pyramid
from model.network.layers.layer_maker import LayerMaker
from pipeline.compositions.view import Shape
from pipeline.config.run_config import ModelConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import Anchors
from pipeline.records.manifest import WAY_OUT

layers = tf.keras.layers

# Each extra pair halves the map: 1x1, then 3x3 of stride 2. All pairs after the first have the second one's channels.
_EXTRA_CHANNELS = ((256, 512), (128, 256))

_HEAD_STDDEV = 0.01
_BACKGROUND_PRIOR = 0.75  # three of four anchors in the loss are background


@dataclass(frozen=True)
class NetworkShape:
    """The part of a network that records decide."""

    canvas: Shape  # height and width, pixels
    strides: tuple[int, ...]  # of the feature maps, pixels
    anchors: Anchors
    class_count: int  # without background
    coder_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # factors of offsets, cy, cx, h, w


def build_network(config: ModelConfig, shape: NetworkShape) -> tf.keras.Model:
    """SSD (arXiv 1512.02325) on the configuration's backbone.

    Returns:
        A model from uint8 [B, H, W, 3] to `logits` float32 [B, N, classes + 1], background last, and `offsets`
        float32 [B, N, 4] (cy, cx, h, w). Both are in the order of the anchors: by map, row, column and box.

    Raises:
        UserError: if the backbone is unknown, a stride has no feature map, or a map's size is not that of the anchors.
    """
    backbone = find_backbone(config)
    make = backbone.layers(config)
    images = layers.Input([*shape.canvas, 3], dtype=tf.uint8, name="images")
    maps = backbone.feature_maps(images, config)
    _add_extra_maps(maps, max(shape.strides), make)
    _check_maps(maps, shape)
    if config.feature_pyramid_channels:
        used = {stride: maps[stride] for stride in maps if stride >= min(shape.strides)}
        maps = add_feature_pyramid(used, make, channels=config.feature_pyramid_channels)
    logits, offsets = [], []
    for number, (stride, feature_map) in enumerate(zip(shape.strides, shape.anchors.feature_maps, strict=True)):
        boxes, classes = len(feature_map.boxes), shape.class_count + 1
        scores = _head(maps[stride], boxes * classes, make, bias=_prior(boxes, classes), name=f"scores_{number}")
        logits.append(layers.Reshape([-1, classes], name=f"logits_{number}")(scores))
        shifts = _head(maps[stride], boxes * 4, make, name=f"shifts_{number}")
        offsets.append(layers.Reshape([-1, 4], name=f"offsets_{number}")(shifts))
    outputs = {
        "logits": layers.Concatenate(axis=1, dtype=tf.float32, name="logits")(logits),
        "offsets": layers.Concatenate(axis=1, dtype=tf.float32, name="offsets")(offsets),
    }
    return tf.keras.Model(images, outputs, name="ssd")


def _add_extra_maps(maps: dict[int, tf.Tensor], last_stride: int, make: LayerMaker) -> None:
    stride = max(maps)
    x = maps[stride]
    for number in range(last_stride.bit_length() - stride.bit_length()):
        for part, channels in enumerate(_EXTRA_CHANNELS[min(number, 1)]):
            name = f"extra_{number}_{'ab'[part]}"
            x = make.convolution(x, make.channels(channels), (1, 3)[part], stride=part + 1, name=name)
            if make.config.batch_norm_in_extra_layers:
                x = make.batch_norm(x, name=f"{name}_bn")
            x = layers.ReLU(name=f"{name}_relu")(x)
        stride *= 2
        maps[stride] = x


def _check_maps(maps: dict[int, tf.Tensor], shape: NetworkShape) -> None:
    known = ", ".join(str(stride) for stride in maps)
    for stride, feature_map in zip(shape.strides, shape.anchors.feature_maps, strict=True):
        if stride not in maps:
            raise UserError(f"anchors.strides must be among {known}, got {stride}; see pipeline/config/presets.py")
        size = tuple(maps[stride].shape[1:3])
        if size != feature_map.size:
            raise UserError(
                f"the anchors of stride {stride} must lie on {size[0]} x {size[1]} cells, like the network's feature "
                f"map, got {feature_map.size[0]} x {feature_map.size[1]}; {WAY_OUT}"
            )


def _head(x: tf.Tensor, channels: int, make: LayerMaker, *, bias: list[float] | None = None, name: str) -> tf.Tensor:
    """A 3x3 convolution; 1x1 on a feature pyramid, whose maps end with the separable 3x3 that starts an SSDLite head.

    If heads have a bias, it starts at `bias`, and the kernel starts near 0. With kernels of the usual scale, the first
    logits and offsets are so far off that the hardest negatives, mined from thousands, make up most of the loss for
    hundreds of steps. (RetinaNet, arXiv 1708.02002, section 4.1.)
    """
    config = make.config
    small = {
        "kernel_initializer": tf.keras.initializers.RandomNormal(stddev=_HEAD_STDDEV),
        "bias_initializer": tf.keras.initializers.Constant(bias or 0.0),
    }
    return layers.Conv2D(
        channels,
        1 if config.feature_pyramid_channels else 3,
        padding="same",
        use_bias=config.head_bias,
        kernel_regularizer=make.regularizer(),
        name=name,
        **(small if config.head_bias else {}),
    )(x)


def _prior(boxes: int, classes: int) -> list[float]:
    """The bias of a cell's scores: background gets the probability `_BACKGROUND_PRIOR`, the classes share the rest."""
    background = math.log((classes - 1) * _BACKGROUND_PRIOR / (1 - _BACKGROUND_PRIOR))
    return ([0.0] * (classes - 1) + [background]) * boxes
