"""MobileNetV2 (arXiv 1801.04381) up to its last block of stride 16, and the layers that the detector shares."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from model.network.batch_norm import SynchronizedBatchNorm
from pipeline.config.run_config import ModelConfig

layers = tf.keras.layers

BATCH_NORM_EPSILON = 1e-3

# Channels, blocks, and stride of the first block, in the order of the paper's table 2.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2))


def scaled_channels(channels: int, width_multiplier: float) -> int:
    """The scaled number of channels, rounded to a multiple of 8: at least 8, and at most a tenth less."""
    scaled = channels * width_multiplier
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest


class OneCellConv2D(tf.keras.layers.Conv2D):
    """A 3x3 convolution of stride 2 over one cell, which pads its input itself.

    If oneDNN does the padding, the bfloat16 gradient of this filter is uninitialised memory except at its centre
    (TensorFlow 2.15 and 2.21, on CPUs with AVX-512).
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution alone, before bias and activation."""
        return tf.nn.conv2d(tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]]), kernel, self.strides, "VALID")


@dataclass(frozen=True)
class Blocks:
    """Makes layers with a configuration's regulariser and batch norm.

    Frozen layers are not trained, have no penalty, and normalise with their stored statistics, which do not change.
    """

    config: ModelConfig
    frozen: bool = False

    def convolution(self, x: tf.Tensor, channels: int, kernel: int, *, stride: int = 1, name: str) -> tf.Tensor:
        """A convolution without bias, padded so that a map of n cells becomes one of ⌈n / stride⌉."""
        one_cell = tuple(x.shape[1:3]) == (1, 1) and (kernel, stride) == (3, 2)
        kind = OneCellConv2D if one_cell else layers.Conv2D
        return kind(
            channels,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_regularizer=self.regularizer(),
            trainable=not self.frozen,
            name=name,
        )(x)

    def depthwise(self, x: tf.Tensor, *, stride: int, name: str) -> tf.Tensor:
        """A 3x3 depthwise convolution without bias."""
        return layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_regularizer=self.regularizer(),
            trainable=not self.frozen,
            name=name,
        )(x)

    def batch_norm(self, x: tf.Tensor, *, name: str) -> tf.Tensor:
        """Batch normalisation over the replica's share of the batch, or over the global batch if so configured."""
        kind = SynchronizedBatchNorm if self.config.synchronized_batch_norm else layers.BatchNormalization
        return kind(
            momentum=self.config.batch_norm_momentum,
            epsilon=BATCH_NORM_EPSILON,
            trainable=not self.frozen,
            name=name,
        )(x)

    def regularizer(self) -> tf.keras.regularizers.Regularizer | None:
        """The L2 penalty of a kernel, weight_decay · Σ w²."""
        decay = 0.0 if self.frozen else self.config.weight_decay
        return tf.keras.regularizers.L2(decay) if decay else None

    def inverted_residual(self, x: tf.Tensor, channels: int, *, expansion: int, stride: int, name: str) -> tf.Tensor:
        """Expansion, depthwise, linear projection; added to the input if the shapes agree (section 3.3)."""
        inputs, in_channels = x, x.shape[-1]
        if expansion > 1:
            x = self.convolution(x, expansion * in_channels, 1, name=f"{name}_expand")
            x = layers.ReLU(6.0, name=f"{name}_expand_relu")(self.batch_norm(x, name=f"{name}_expand_bn"))
        x = self.depthwise(x, stride=stride, name=f"{name}_depthwise")
        x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(self.batch_norm(x, name=f"{name}_depthwise_bn"))
        x = self.batch_norm(self.convolution(x, channels, 1, name=f"{name}_project"), name=f"{name}_project_bn")
        return layers.Add(name=f"{name}_add")([inputs, x]) if stride == 1 and in_channels == channels else x


def mobilenet_v2(images: tf.Tensor, config: ModelConfig) -> dict[int, tf.Tensor]:
    """The last feature map of each stride, 2 to 16. The network ends with block 9: 64 channels, stride 16.

    Args:
        images: float [B, H, W, 3] in [-1, 1].
        config: width, batch norm, and how many of the first blocks are frozen.
    """
    width = config.width_multiplier
    blocks = Blocks(config, frozen=config.freeze > 0)
    x = blocks.convolution(images, scaled_channels(32, width), 3, stride=2, name="stem")
    x = layers.ReLU(6.0, name="stem_relu")(blocks.batch_norm(x, name="stem_bn"))
    stride, number, maps = 2, 0, {}
    for channels, count, first_stride in _STAGES:
        stride *= first_stride
        for repeat in range(count):
            x = Blocks(config, frozen=number < config.freeze).inverted_residual(
                x,
                scaled_channels(channels, width),
                expansion=6 if number else 1,
                stride=first_stride if repeat == 0 else 1,
                name=f"block_{number}",
            )
            number += 1
        maps[stride] = x
    return maps
