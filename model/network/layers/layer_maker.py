"""Makes the layers of all parts of the network alike: padding, regulariser, batch norm, frozen or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from model.network.layers.batch_norm import SynchronizedBatchNorm
from pipeline.config.run_config import ModelConfig

layers = tf.keras.layers


@dataclass(frozen=True)
class LayerMaker:
    """Makes layers with a configuration's width, regulariser and batch norm, and Keras Applications' conventions.

    A backbone whose weights come from elsewhere may have a subclass with other padding or another epsilon. The layers
    that follow the backbone are made by the same class.

    Frozen layers are not trained, have no penalty, and normalise with their stored statistics, which do not change.
    """

    config: ModelConfig
    frozen: bool = False

    epsilon: ClassVar[float] = 1e-3  # of batch norm

    def channels(self, channels: int) -> int:
        """The number of channels at the configuration's width."""
        return scale_channels(channels, self.config.width_multiplier)

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
            epsilon=self.epsilon,
            trainable=not self.frozen,
            name=name,
        )(x)

    def regularizer(self) -> tf.keras.regularizers.Regularizer | None:
        """The L2 penalty of a kernel, weight_decay · Σ w²."""
        decay = 0.0 if self.frozen else self.config.weight_decay
        return tf.keras.regularizers.L2(decay) if decay else None


class OneCellConv2D(tf.keras.layers.Conv2D):
    """A 3x3 convolution of stride 2 over one cell, which pads its input itself: a workaround for oneDNN.

    If oneDNN does the padding, the bfloat16 gradient of this filter is uninitialised memory except at its centre
    (TensorFlow 2.15.1 and 2.21, on CPUs with AVX-512). It can go, and `Conv2D` take its place, once
    `test_its_gradient_in_bfloat16_is_nothing_beside_the_middle` passes with `Conv2D` on both stacks on such a CPU.
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution alone, before bias and activation."""
        return tf.nn.conv2d(tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]]), kernel, self.strides, "VALID")


def scale_channels(channels: int, width_multiplier: float) -> int:
    """The scaled number of channels, rounded to a multiple of 8: at least 8, and at most a tenth less."""
    scaled = channels * width_multiplier
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * scaled else nearest
