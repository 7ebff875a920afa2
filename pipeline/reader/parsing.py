"""Serialized records to batches of tensors: uint8 canvases, dense targets, ground truth and keys."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.records import record
from pipeline.records.manifest import Manifest

IGNORED = -1  # the class, in dense targets, of anchors that are neither object nor background
BROKEN_RECORD = "record must hold"  # how messages about a broken record begin
_OTHER_SIZE = f"{BROKEN_RECORD} a picture of the size of its window"

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
    keys, labels = features[record.KEY], features[record.LABEL]
    boxes, whole = _boxes(features, labels)
    corners, classes = boxes.values, labels.values
    holds = [
        whole,
        tf.reduce_all((corners >= 0) & (corners <= 1)),  # NaN is neither
        tf.reduce_all(corners[:, :2] < corners[:, 2:]),
        tf.reduce_all((classes >= 0) & (classes < manifest.background)),
        # Fails by itself for a key that is not UTF-8.
        tf.size(tf.strings.unicode_transcode(keys, "UTF-8", "UTF-8", errors="strict")) >= 0,
    ]
    images = _checked(_images(features, manifest), tf.reduce_all(holds), f"{BROKEN_RECORD} ground truth that can be")
    return images, {"keys": keys, "boxes": boxes, "labels": labels}


def parse_keys(serialized: tf.Tensor) -> tf.Tensor:
    """The keys of serialized records, string [B]."""
    return tf.io.parse_example(serialized, _KEY)[record.KEY]


def _boxes(features: dict[str, Any], labels: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """The sides of all boxes as corners, [B, (G), 4], and whether each picture has as many of each as labels.

    If a picture does not, the corners are meaningless.
    """
    sides = [features[side] for side in record.BOX_SIDES]
    whole = tf.reduce_all([_same_lengths(side, labels) for side in sides])
    count = tf.reduce_min([tf.size(side.values) for side in sides])
    corners = tf.stack([side.values[:count] for side in sides], axis=-1)
    splits = tf.minimum(labels.row_splits, tf.cast(count, tf.int64))
    return tf.RaggedTensor.from_row_splits(corners, splits, validate=False), whole


def _same_lengths(some: tf.RaggedTensor, others: tf.RaggedTensor, times: int = 1) -> tf.Tensor:
    """Whether every row of `some` has `times` as many values as that of `others`."""
    return tf.reduce_all(some.row_splits == times * others.row_splits)


def _dense_targets(features: dict[str, Any], anchors: int, background: int) -> dict[str, tf.Tensor]:
    """Scatters the sparse targets of the whole batch at once, to index row · N + anchor."""
    matched, ignored = features[record.TARGET_ANCHOR], features[record.TARGET_IGNORED]
    classes, offsets = features[record.TARGET_CLASS], features[record.TARGET_OFFSETS]
    batch = matched.nrows()
    matched_at = matched.values + matched.value_rowids() * anchors
    ignored_at = ignored.values + ignored.value_rowids() * anchors
    holds = [
        _same_lengths(classes, matched),
        _same_lengths(offsets, matched, 4),
        _in_range(matched.values, anchors),
        _in_range(ignored.values, anchors),
        _in_range(classes.values, background),
        # Within their rows, too: they are in range.
        _ascends(matched_at),
        _ascends(ignored_at),
        tf.reduce_all(tf.searchsorted(matched_at, ignored_at) == tf.searchsorted(matched_at, ignored_at, side="right")),
        tf.reduce_all(tf.math.is_finite(offsets.values)),
    ]
    matched_at = _checked(matched_at, tf.reduce_all(holds), f"{BROKEN_RECORD} targets that can be")[:, None]
    ignored_at = ignored_at[:, None]
    dense = tf.fill([batch * anchors], tf.constant(background, tf.int32))
    at = tf.concat([matched_at, ignored_at], axis=0)
    values = [tf.cast(classes.values, tf.int32), tf.fill(tf.shape(ignored_at)[:1], IGNORED)]
    dense = tf.tensor_scatter_nd_update(dense, at, tf.concat(values, axis=0))
    scattered = tf.scatter_nd(matched_at, tf.reshape(offsets.values, [-1, 4]), [batch * anchors, 4])
    return {
        "classes": tf.reshape(dense, [batch, anchors]),
        "offsets": tf.reshape(scattered, [batch, anchors, 4]),
    }


def _in_range(values: tf.Tensor, end: int) -> tf.Tensor:
    return tf.reduce_all((values >= 0) & (values < end))


def _ascends(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(values[1:] > values[:-1])


def _images(features: dict[str, Any], manifest: Manifest) -> tf.Tensor:
    """Decodes the pictures of a batch and places each in its window of a black canvas. -> uint8 [B, H, W, 3].

    One `pad` for each picture copies whole rows, and is three times as fast as one scatter of all pixels of the batch.
    """
    size = manifest.canvas_size
    windows = features[record.WINDOW]
    corners, sizes = windows[:, :2], windows[:, 2:]
    # No sum: it could overflow.
    inside = (corners >= 0) & (sizes > 0) & (sizes <= size) & (corners <= size - sizes)
    windows = _checked(windows, tf.reduce_all(inside), f"{BROKEN_RECORD} a window inside {size} x {size} pixels")

    def painted(picture: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        encoded, window = picture
        ymin, xmin, height, width = tf.unstack(window)
        pixels = _decoded(encoded, manifest.config.picture_format, window[2:])
        fits = tf.size(pixels) == height * width * 3
        pixels = _checked(pixels, fits, _OTHER_SIZE)
        rows = tf.reshape(pixels, [height, width * 3])
        margins = [[ymin, size - ymin - height], [3 * xmin, 3 * (size - xmin - width)]]
        return tf.reshape(tf.pad(rows, margins), [size, size, 3])

    return tf.map_fn(
        painted,
        (features[record.ENCODED], tf.cast(windows, tf.int32)),
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=1,
    )


def _decoded(encoded: tf.Tensor, picture_format: str, size: tf.Tensor) -> tf.Tensor:
    """The uint8 values of a picture; its shape depends on the format.

    The size that the header states is compared with `size`, height and width, before anything is decoded.
    """
    if picture_format == "raw":
        return tf.io.decode_raw(encoded, tf.uint8)
    if picture_format == "png":
        encoded = _checked(encoded, tf.strings.length(encoded) >= 24, f"{BROKEN_RECORD} a whole PNG")
        stated = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)[::-1]
        encoded = _checked(encoded, tf.reduce_all(stated == size), _OTHER_SIZE)
        return tf.io.decode_png(encoded, channels=3)
    stated = tf.io.extract_jpeg_shape(encoded)[:2]
    encoded = _checked(encoded, tf.reduce_all(stated == size), _OTHER_SIZE)
    # OpenCV, which the records job uses, decodes with the exact transform too.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _checked(value: tf.Tensor, holds: tf.Tensor, message: str) -> tf.Tensor:
    """The value itself. Evaluating it fails with the message unless the condition holds everywhere."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(holds), [message])]):
        return tf.identity(value)
