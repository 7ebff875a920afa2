"""Augmentation of training batches that needs no new matching: flips, colours, cut-outs.

Everything random in a batch is a pure function of (seed, step, reader), so restarts and threads do not change it.
"""

from __future__ import annotations

import tensorflow as tf

from pipeline.config.run_config import AugmentConfig
from pipeline.geometry.anchors import Anchors
from pipeline.reader.dataset import ONLY_READER, Reader, without_autograph

_FLIP, _COLOUR, _CUTOUT = range(3)  # each draws from a key of its own, so one does not shift another
_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)
_MIRRORED_OFFSETS = (1.0, -1.0, 1.0, 1.0)  # cy, cx, h, w

Targets = dict[str, tf.Tensor]


def augmented(
    batches: tf.data.Dataset,
    config: AugmentConfig,
    *,
    anchors: Anchors,
    seed: int,
    start_step: int = 0,
    reader: Reader = ONLY_READER,
    parallel_calls: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """The batches of `training_batches`, augmented; the very same dataset if everything is off.

    Args:
        batches: of (images, targets), starting with the one of `start_step`.
        config: what to change, and how much.
        anchors: of the targets.
        seed: decides every draw, together with step and reader.
        start_step: number of the first batch, counted from 0 at the start of the run.
        reader: which of the processes that share the global batch reads these.
        parallel_calls: batches to augment at a time.
    """
    if not (config.flip or config.colour or config.cutouts):
        return batches

    @without_autograph
    def augment(step: tf.Tensor, batch: tuple[tf.Tensor, Targets]) -> tuple[tf.Tensor, Targets]:
        images, targets = batch
        return augment_batch(images, targets, config, anchors=anchors, key=step_key(seed, step, reader))

    numbered = batches.enumerate(start_step)
    return numbered.map(augment, num_parallel_calls=parallel_calls, deterministic=True).prefetch(tf.data.AUTOTUNE)


def step_key(seed: int, step: tf.Tensor, reader: Reader = ONLY_READER) -> tf.Tensor:
    """The key of all random numbers for a reader's part of a step's batch, int64 [2]."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    return _folded(key, reader.index)


def augment_batch(
    images: tf.Tensor, targets: Targets, config: AugmentConfig, *, anchors: Anchors, key: tf.Tensor
) -> tuple[tf.Tensor, Targets]:
    """One batch, augmented with the random numbers of its key.

    Args:
        images: uint8 [B, H, W, 3].
        targets: `classes` int32 [B, N], `offsets` float32 [B, N, 4] in the order cy, cx, h, w.
        config: what to change, and how much.
        anchors: N of them.
        key: from `step_key`.

    Returns:
        The same shapes and types.
    """
    batch, size = tf.shape(images)[0], images.shape[1]
    if config.flip:
        chosen = tf.random.stateless_uniform([batch], _folded(key, _FLIP), alg="philox") < 0.5
        images, targets = flip_canvases(images, targets, chosen, anchors)
    if config.colour:
        least, most = 1.0 - config.colour, 1.0 + config.colour
        factors = tf.random.stateless_uniform([batch, 5], _folded(key, _COLOUR), least, most, alg="philox")
        images = change_colours(images, factors)
    if config.cutouts:
        side = max(1, round(config.cutout_side * size))
        # Any corner whose square touches the canvas, so that all pixels are covered equally often.
        corners = tf.random.stateless_uniform(
            [batch, config.cutouts, 2], _folded(key, _CUTOUT), 1 - side, size, tf.int32, alg="philox"
        )
        images = cut_out(images, corners, side)
    return images, targets


def flip_canvases(
    images: tf.Tensor, targets: Targets, chosen: tf.Tensor, anchors: Anchors
) -> tuple[tf.Tensor, Targets]:
    """Mirrors the chosen pictures, bool [B], left to right, and their targets too. Shapes stay the same."""
    parts = {"images": images, **targets}
    rows = tf.cast(chosen, tf.int32)
    at = tf.dynamic_partition(tf.range(tf.shape(images)[0]), rows, 2)
    kept, flipped = {}, {}
    for name, part in parts.items():
        kept[name], flipped[name] = tf.dynamic_partition(part, rows, 2)
    # As a list of pixel rows: three times as fast as reversing an axis of a 4-D tensor.
    lines = tf.reverse(tf.reshape(flipped["images"], [-1, *images.shape[2:]]), axis=[1])
    flipped["images"] = tf.reshape(lines, tf.shape(flipped["images"]))
    mirrored = tf.constant(anchors.mirrored)
    flipped["classes"] = tf.gather(flipped["classes"], mirrored, axis=1)
    flipped["offsets"] = tf.gather(flipped["offsets"], mirrored, axis=1) * _MIRRORED_OFFSETS
    whole = {
        name: tf.ensure_shape(tf.dynamic_stitch(at, [kept[name], flipped[name]]), part.shape)
        for name, part in parts.items()
    }
    return whole.pop("images"), whole


def change_colours(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Contrast about black, saturation about each pixel's grey, and gains, rounded and clipped to [0, 255].

    All of it is linear in the pixel, so one matrix for each picture does it, and black stays black.

    Args:
        images: uint8 [B, H, W, 3].
        factors: contrast, saturation, gain of red, green, blue, [B, 5]; 1 changes nothing.

    Returns:
        uint8 [B, H, W, 3].
    """
    contrast, saturation, gains = factors[:, :1], factors[:, 1, None, None], factors[:, 2:]
    grey = tf.constant(_LUMA)[:, None]  # [3, 1]: the same for every channel of the result
    matrices = (saturation * tf.eye(3) + (1.0 - saturation) * grey) * (contrast * gains)[:, None, :]  # [B, 3, 3]
    pixels = tf.reshape(tf.cast(images, tf.float32), [tf.shape(images)[0], -1, 3])
    changed = tf.saturate_cast(tf.round(pixels @ matrices), tf.uint8)
    return tf.ensure_shape(tf.reshape(changed, tf.shape(images)), images.shape)


def cut_out(images: tf.Tensor, corners: tf.Tensor, side: int) -> tf.Tensor:
    """Blackens squares (Cutout, arXiv 1708.04552).

    Args:
        images: uint8 [B, H, W, 3].
        corners: row and column of each square's first pixel, which may lie outside, int32 [B, squares, 2].
        side: of the squares, pixels.

    Returns:
        uint8 [B, H, W, 3].
    """
    height, width = images.shape[1:3]

    def covered(first: tf.Tensor, length: int) -> tf.Tensor:
        """Which rows or columns each square covers: 1.0 or 0.0, [B, squares, length]."""
        after = tf.range(length) - first[..., None]
        return tf.cast((after >= 0) & (after < side), tf.float32)

    rows, columns = covered(corners[..., 0], height), covered(corners[..., 1], width)
    # The product counts the squares over each value, without a mask for each square or a broadcast over colours.
    squares = tf.matmul(rows, tf.repeat(columns, 3, axis=2), transpose_a=True)  # [B, H, 3 W]
    seen = tf.reshape(tf.cast(squares < 0.5, tf.uint8), tf.shape(images))
    return images * seen


def _folded(key: tf.Tensor, number: int) -> tf.Tensor:
    """Another key for each number, int64 [2]."""
    return tf.random.experimental.stateless_fold_in(key, tf.constant(number, tf.int64), alg="philox")
