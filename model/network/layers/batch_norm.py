"""Batch normalisation over the global batch, so that the number of replicas changes nothing but speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from model.distribution.strategies import reduce_over_replicas

_MEAN = tf.distribute.ReduceOp.MEAN  # replicas have equal shares of the batch


class SynchronizedBatchNorm(tf.keras.layers.BatchNormalization):
    """Batch norm (arXiv 1502.03167) with the statistics of the global batch, [B, H, W, C] in and out.

    Keras's own, `synchronized=True`, computes the variance as E[x²] − E[x]². On canvases that are mostly of one
    colour the two terms nearly cancel. What is left is rounding error, which depends on how the batch is shared.
    Here the variance comes from deviations. Each image is summed by itself, axis by axis, and the images' sums are
    added in float64, in the gradients too. However the batch is shared, the statistics round to the same bits.
    """

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        """Normalised inputs. In training, the moving statistics move towards those of the batch, unless frozen."""
        x = tf.cast(inputs, tf.float32) if inputs.dtype in (tf.float16, tf.bfloat16) else inputs
        if self.trainable and training is not None and tf.get_static_value(training):
            y, *statistics = _normalise(x, self.gamma, self.beta, self.epsilon)
            for moving, value in zip((self.moving_mean, self.moving_variance), statistics, strict=True):
                moving.assign_sub((moving - value) * (1.0 - self.momentum))
        else:
            scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
            y = (x - self.moving_mean) * scale + self.beta
        return tf.cast(y, inputs.dtype)


def _normalise(
    x: tf.Tensor, gamma: tf.Variable, beta: tf.Variable, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """-> normalised x, and mean and variance [C] of the global batch. Only the first has gradients."""

    @tf.custom_gradient
    def with_gradients(
        x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]]:
        mean = tf.cast(reduce_over_replicas(_mean(x), _MEAN), x.dtype)
        variance = tf.cast(reduce_over_replicas(_mean(tf.math.squared_difference(x, mean)), _MEAN), x.dtype)
        inverse = tf.math.rsqrt(variance + epsilon)
        normal = (x - mean) * inverse

        def gradients(dy: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """For x, through the statistics too; for gamma and beta, this replica's share."""
            share = tf.stack([_mean(dy), _mean(dy * normal)])
            dy_mean, dy_normal_mean = tf.unstack(tf.cast(reduce_over_replicas(share, _MEAN), x.dtype))
            dx = gamma * inverse * (dy - dy_mean - normal * dy_normal_mean)
            sums = tf.cast(share * tf.cast(tf.size(x) / tf.size(mean), share.dtype), x.dtype)
            return dx, sums[1], sums[0]

        return (normal * gamma + beta, mean, variance), gradients

    y, mean, variance = with_gradients(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))
    return y, mean, variance


def _mean(x: tf.Tensor) -> tf.Tensor:
    """The mean over this replica's share; an image adds the same bits on any replica. [B, H, W, C] -> float64 [C]."""
    for axis in (2, 1):
        x = tf.reduce_mean(x, axis=axis)
    return tf.reduce_mean(tf.cast(x, tf.float64), axis=0)
