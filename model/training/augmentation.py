"""Augmentation of training batches that needs no new matching: flips, colours, cut-outs.

The random draws are added to the sparse batch on the host. They are a pure function of (seed, step, reader), so
restarts, threads and replicas do not change them. The pixels are changed where the training step runs.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from pipeline.compositions.view import Shape
from pipeline.config.run_config import AugmentConfig
from pipeline.geometry.anchors import Anchors
from pipeline.reader.batch_spec import WORDS, BatchSpec
from pipeline.reader.dataset import ONLY_READER, Reader, without_autograph
from pipeline.reader.unpack import unpack

_FLIP, _COLOUR, _CUTOUT = range(3)  # each has its own key, so none shifts another's draws
_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)

# The random draws for a batch of B images, by their names in the batch.
FLIPS = "flips"  # bool [B]: mirror the canvas
COLOURS = "colours"  # float32 [B, 5]: contrast, saturation, gains of red, green, blue
CUTOUTS = "cutouts"  # int32 [B, squares, 2]: row and column of each square's first pixel, which may lie outside

Batch = dict[str, tf.Tensor]


def add_draws(
    batches: tf.data.Dataset,
    config: AugmentConfig,
    *,
    canvas: Shape,
    seed: int,
    start_step: int = 0,
    reader: Reader = ONLY_READER,
) -> tf.data.Dataset:
    """The sparse batches of `read_training_batches`, each with its random draws; the same dataset if everything is off.

    Args:
        batches: starting with the one of `start_step`.
        config: what to change, and how much.
        canvas: height and width, pixels.
        seed: decides every draw, together with step and reader.
        start_step: number of the first batch, counted from 0 at the start of the run.
        reader: which of the processes that share the global batch reads these.
    """
    if not (config.flip or config.colour or config.cutouts):
        return batches

    @without_autograph
    def draw(step: tf.Tensor, batch: Batch) -> Batch:
        key = make_step_key(seed, step, reader)
        return {**batch, **make_draws(tf.shape(batch[WORDS])[0], config, canvas=canvas, key=key)}

    return batches.enumerate(start_step).map(draw).prefetch(tf.data.AUTOTUNE)


def make_step_key(seed: int, step: tf.Tensor, reader: Reader = ONLY_READER) -> tf.Tensor:
    """The key of all random numbers for a reader's part of a step's batch, int64 [2]."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    return _fold(key, reader.index)


def make_draws(count: tf.Tensor, config: AugmentConfig, *, canvas: Shape, key: tf.Tensor) -> Batch:
    """The random draws for `count` images, from a key of `make_step_key`."""
    drawn = {}
    if config.flip:
        drawn[FLIPS] = tf.random.stateless_uniform([count], _fold(key, _FLIP), alg="philox") < 0.5
    if config.colour:
        least, most = 1.0 - config.colour, 1.0 + config.colour
        drawn[COLOURS] = tf.random.stateless_uniform([count, 5], _fold(key, _COLOUR), least, most, alg="philox")
    if config.cutouts:
        side = find_cutout_side(config, canvas)
        # Any corner whose square touches the canvas, so that all pixels are covered equally often.
        shape, key = [count, config.cutouts, 2], _fold(key, _CUTOUT)
        bits = tf.random.stateless_uniform(shape, key, None, None, tf.uint32, alg="philox")
        corners = tf.constant([length + side - 1 for length in canvas], tf.int64)
        drawn[CUTOUTS] = tf.cast(tf.cast(bits, tf.int64) % corners, tf.int32) + (1 - side)
    return drawn


def unpack_augmented(
    batch: Batch, *, spec: BatchSpec, config: AugmentConfig, by_matrices: bool = False
) -> tuple[tf.Tensor, Batch]:
    """Canvases and dense targets of a sparse batch of `add_draws`, augmented. Arguments and result as in `unpack`."""
    images, targets = unpack(batch, spec, flips=batch.get(FLIPS), by_matrices=by_matrices)
    if COLOURS in batch:
        images = change_colours(images, batch[COLOURS])
    if CUTOUTS in batch:
        images = cut_out(images, batch[CUTOUTS], find_cutout_side(config, spec.canvas))
    return images, targets


def unpack_batches(batches: tf.data.Dataset, unpack: Callable[[Batch], tuple[tf.Tensor, Batch]]) -> tf.data.Dataset:
    """Sparse batches, unpacked by the threads of the input pipeline."""
    dense = batches.map(without_autograph(unpack), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dense.prefetch(tf.data.AUTOTUNE)


def check_flips(config: AugmentConfig, anchors: Anchors) -> None:
    """Raises `UserError` if canvases are to be mirrored and the anchors do not lie symmetrically."""
    if config.flip:
        anchors.mirrored  # noqa: B018  raises


def find_cutout_side(config: AugmentConfig, canvas: Shape) -> int:
    """The side of a cut-out, pixels; the configuration has it relative to the canvas's shorter side."""
    return max(1, round(config.cutout_side * min(canvas)))


def change_colours(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Contrast about black, saturation about each pixel's grey, and gains, rounded and clipped to [0, 255].

    All of it is linear in the pixel, so one matrix for each image does it, and black stays black.

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


def _fold(key: tf.Tensor, number: int) -> tf.Tensor:
    """Another key for each number, int64 [2]."""
    return tf.random.experimental.stateless_fold_in(key, tf.constant(number, tf.int64), alg="philox")
