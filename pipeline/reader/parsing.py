"""Serialized records to batches of tensors: uint8 canvases, dense targets, ground truth and keys."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.records import record
from pipeline.records.manifest import Manifest

IGNORED = -1  # the class, in dense targets, of anchors that are neither object nor background
BROKEN_RECORD = "record must hold"  # how the findings about a record begin

_INTS = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
_FLOATS = tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
_PICTURE = {
    record.ENCODED: tf.io.FixedLenFeature([], tf.string),
    record.WINDOW: tf.io.FixedLenFeature([4], tf.int64),
}
_TARGETS = {
    record.TARGET_ANCHOR: _INTS,
    record.TARGET_CLASS: _INTS,
    record.TARGET_OFFSETS: _FLOATS,
    record.TARGET_IGNORED: _INTS,
}
_KEY = {record.KEY: tf.io.FixedLenFeature([], tf.string)}
_GROUND_TRUTH = {
    **_KEY,
    record.LABEL: _INTS,
    **dict.fromkeys(record.BOX_SIDES, _FLOATS),
}


def parse_training_batch(serialized: tf.Tensor, manifest: Manifest) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Parses serialized records, string [B], to what `training_batches` yields."""
    features = tf.io.parse_example(serialized, {**_PICTURE, **_TARGETS})
    return _images(features, manifest), _dense_targets(features, len(manifest.anchors), manifest.background)


def parse_evaluation_batch(serialized: tf.Tensor, manifest: Manifest) -> tuple[tf.Tensor, dict[str, Any]]:
    """Parses serialized records, string [B], to what `evaluation_batches` yields."""
    features = tf.io.parse_example(serialized, {**_PICTURE, **_GROUND_TRUTH})
    boxes = tf.stack([features[side] for side in record.BOX_SIDES], axis=-1)
    return _images(features, manifest), {
        "keys": features[record.KEY],
        "boxes": boxes,
        "labels": features[record.LABEL],
    }


def parse_keys(serialized: tf.Tensor) -> tf.Tensor:
    """The keys of serialized records, string [B]."""
    return tf.io.parse_example(serialized, _KEY)[record.KEY]


def _dense_targets(features: dict[str, Any], anchors: int, background: int) -> dict[str, tf.Tensor]:
    """Scatters the sparse targets of the whole batch at once, to index row · N + anchor."""
    matched, ignored = features[record.TARGET_ANCHOR], features[record.TARGET_IGNORED]
    batch = matched.nrows()

    def flat_index(named: tf.RaggedTensor) -> tf.Tensor:
        exists = (named.values >= 0) & (named.values < anchors)
        values = _checked(named.values, exists, f"{BROKEN_RECORD} anchors below {anchors}")
        return (values + named.value_rowids() * anchors)[:, None]

    matched_at, ignored_at = flat_index(matched), flat_index(ignored)
    classes = tf.fill([batch * anchors], tf.constant(background, tf.int32))
    at = tf.concat([matched_at, ignored_at], axis=0)
    values = [
        tf.cast(features[record.TARGET_CLASS].values, tf.int32),
        tf.fill(tf.shape(ignored_at)[:1], IGNORED),
    ]
    classes = tf.tensor_scatter_nd_update(classes, at, tf.concat(values, axis=0))
    offsets = tf.reshape(features[record.TARGET_OFFSETS].values, [-1, 4])
    offsets = tf.scatter_nd(matched_at, offsets, [batch * anchors, 4])
    return {
        "classes": tf.reshape(classes, [batch, anchors]),
        "offsets": tf.reshape(offsets, [batch, anchors, 4]),
    }


def _images(features: dict[str, Any], manifest: Manifest) -> tf.Tensor:
    """Decodes the pictures of a batch and places each in its window of a black canvas. -> uint8 [B, H, W, 3].

    One `pad` for each picture copies whole rows, and is three times as fast as one scatter of all pixels of the batch.
    """
    size = manifest.canvas_size
    windows = tf.cast(features[record.WINDOW], tf.int32)
    ymin, xmin, height, width = tf.unstack(windows, axis=-1)
    inside = (ymin >= 0) & (xmin >= 0) & (ymin + height <= size) & (xmin + width <= size)
    windows = _checked(windows, inside, f"{BROKEN_RECORD} a window inside {size} x {size} pixels")

    def painted(picture: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        encoded, window = picture
        ymin, xmin, height, width = tf.unstack(window)
        pixels = _decoded(encoded, manifest.config.picture_format)
        fits = tf.size(pixels) == height * width * 3
        pixels = _checked(pixels, fits, f"{BROKEN_RECORD} a picture of its window's size")
        rows = tf.reshape(pixels, [height, width * 3])
        margins = [[ymin, size - ymin - height], [3 * xmin, 3 * (size - xmin - width)]]
        return tf.reshape(tf.pad(rows, margins), [size, size, 3])

    return tf.map_fn(
        painted,
        (features[record.ENCODED], windows),
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=1,
    )


def _decoded(encoded: tf.Tensor, picture_format: str) -> tf.Tensor:
    """The uint8 values of a picture; its shape depends on the format."""
    if picture_format == "raw":
        return tf.io.decode_raw(encoded, tf.uint8)
    if picture_format == "png":
        return tf.io.decode_png(encoded, channels=3)
    # OpenCV, which the records job uses, decodes with the exact transform too.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _checked(value: tf.Tensor, holds: tf.Tensor, message: str) -> tf.Tensor:
    """The value itself. Evaluating it fails with the message unless the condition holds everywhere."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(holds), [message])]):
        return tf.identity(value)
