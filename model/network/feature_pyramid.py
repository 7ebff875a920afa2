"""A feature pyramid: every feature map also gets the features of the coarser ones."""

from __future__ import annotations

import tensorflow as tf

from model.network.layers.layer_maker import LayerMaker

layers = tf.keras.layers


class NearestUpsampling(tf.keras.layers.Layer):
    """Doubles a map by repeating cells, and drops the row and the column that an odd map does not have.

    Its gradient is a sum with the same bits every time. On GPUs, `tf.image.resize` may add its gradient in any order.
    """

    def __init__(self, size: tuple[int, int], **options: object) -> None:
        """`size`: height and width of the finer map, cells."""
        super().__init__(**options)
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[B, ⌈h / 2⌉, ⌈w / 2⌉, C] -> [B, h, w, C]."""
        height, width, channels = inputs.shape[1:]
        doubled = tf.tile(inputs[:, :, None, :, None], [1, 1, 2, 1, 2, 1])
        doubled = tf.reshape(doubled, [-1, 2 * height, 2 * width, channels])
        return doubled[:, : self.size[0], : self.size[1]]

    def get_config(self) -> dict[str, object]:
        """What Keras needs to make the layer again."""
        return {**super().get_config(), "size": self.size}


def add_feature_pyramid(maps: dict[int, tf.Tensor], make: LayerMaker, *, channels: int) -> dict[int, tf.Tensor]:
    """The maps of a feature pyramid network (arXiv 1612.03144, section 3), with separable convolutions.

    A fine map of the backbone knows little about a cell's surroundings. Here each map, brought to `channels` by a 1x1
    convolution, is added to the upsampled next coarser sum; a separable 3x3 convolution follows.

    Args:
        maps: by stride, each twice the one before; float [B, h, w, C].
        make: makes the layers.
        channels: of every map that comes out.
    """
    found, coarser = {}, None
    for stride in sorted(maps, reverse=True):
        name = f"feature_pyramid_{stride}"
        total = make.convolution(maps[stride], channels, 1, name=f"{name}_lateral")
        total = make.batch_norm(total, name=f"{name}_lateral_bn")
        if coarser is not None:
            upsampled = NearestUpsampling(tuple(total.shape[1:3]), name=f"{name}_upsampled")(coarser)
            total = layers.Add(name=f"{name}_sum")([total, upsampled])
        coarser = total
        x = make.depthwise(total, stride=1, name=f"{name}_depthwise")
        x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(make.batch_norm(x, name=f"{name}_depthwise_bn"))
        x = make.batch_norm(make.convolution(x, channels, 1, name=f"{name}_smooth"), name=f"{name}_smooth_bn")
        found[stride] = layers.ReLU(6.0, name=f"{name}_smooth_relu")(x)
    return found
