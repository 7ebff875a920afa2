"""Parses serialized records into sparse batches. The view of each record is chosen before anything is decoded."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.reader.feed import IMAGES, WORDS, Feed
from pipeline.reader.images import shown_images
from pipeline.reader.reading_checks import BROKEN_RECORD, checked
from pipeline.records import packed_view as layout
from pipeline.records import record
from pipeline.records.manifest import Manifest

_ONE_STRING = tf.io.FixedLenFeature([], tf.string)
_IMAGE = {
    record.ENCODED: _ONE_STRING,
    record.HEIGHT: tf.io.FixedLenFeature([], tf.int64),
    record.WIDTH: tf.io.FixedLenFeature([], tf.int64),
}
_SOURCE = {  # of images with boxes of their own
    record.TRUTH: tf.io.FixedLenFeature([], tf.string, default_value=""),
    record.IMAGE_ID: tf.io.FixedLenFeature([], tf.string, default_value=""),
    record.SOURCE_SIZE: tf.io.FixedLenFeature([2], tf.int64, default_value=[0, 0]),
}
_KEY = {record.KEY: _ONE_STRING}


def parse_training_batch(
    serialized: tf.Tensor, passes: tf.Tensor, manifest: Manifest, feed: Feed
) -> dict[str, tf.Tensor]:
    """Parses serialized training records to a sparse batch.

    Args:
        serialized: string [B].
        passes: the number of the pass that each belongs to, int64, [] or [B]. It decides which view is shown.
        manifest: of the record set.
        feed: of its training split.
    """
    count = manifest.config.views
    views = {record.VIEWS: tf.io.FixedLenFeature([count], tf.string)}
    features = tf.io.parse_example(serialized, {**_IMAGE, **_KEY, **views})
    shown = (tf.strings.to_hash_bucket_fast(features[record.KEY], count) + passes) % count
    packed = tf.gather(features[record.VIEWS], shown, batch_dims=1)
    words = _words(packed, feed)
    return {IMAGES: shown_images(features, words, manifest, feed), WORDS: words[:, : feed.words]}


def parse_evaluation_batch(
    serialized: tf.Tensor, manifest: Manifest, feed: Feed, *, views: int = 1
) -> tuple[dict[str, tf.Tensor], dict[str, Any]]:
    """Parses serialized records to a sparse batch of their first views, and the ground truth there.

    Args:
        serialized: string [B].
        manifest: of the record set.
        feed: of the split.
        views: of each record of the split.

    Returns:
        The sparse batch; and `keys` string [B], `boxes` float32 [B, (G), 4] corners in [0, 1], `labels` int64 [B, (G)].
        Of images with boxes of their own, else 0 or empty: `objects` string [B] as ground_truth.py packs them,
        `image_ids` string [B], `source_sizes` int64 [B, 2] and `places` int32 [B, 2] (height and width, pixels).
    """
    packed = {record.VIEWS: tf.io.FixedLenFeature([views], tf.string)}
    features = tf.io.parse_example(serialized, {**_IMAGE, **_KEY, **packed, **_SOURCE})
    keys, words = features[record.KEY], _words(features[record.VIEWS][:, 0], feed)
    boxes, labels = _ground_truth(words, feed)
    corners, classes = boxes.values, labels.values
    holds = [
        tf.reduce_all((corners >= 0) & (corners <= 1)),  # NaN is neither
        tf.reduce_all(corners[:, :2] < corners[:, 2:]),
        tf.reduce_all((classes >= 0) & (classes < feed.background)),
        # Fails by itself for a key that is not UTF-8.
        tf.size(tf.strings.unicode_transcode(keys, "UTF-8", "UTF-8", errors="strict")) >= 0,
    ]
    words = checked(words, holds, f"{BROKEN_RECORD} valid ground truth")
    batch = {IMAGES: shown_images(features, words, manifest, feed), WORDS: words[:, : feed.words]}
    return batch, {
        "keys": keys,
        "boxes": boxes,
        "labels": labels,
        "objects": features[record.TRUTH],
        "image_ids": features[record.IMAGE_ID],
        "source_sizes": features[record.SOURCE_SIZE],
        "places": words[:, layout.PLACE + 2 : layout.MIRRORED],
    }


def parse_keys(serialized: tf.Tensor) -> tf.Tensor:
    """The keys of serialized records, string [B]."""
    return tf.io.parse_example(serialized, _KEY)[record.KEY]


def _words(packed: tf.Tensor, feed: Feed) -> tf.Tensor:
    """The words of packed views, string [B] -> int32 [B, all words], checked so far that they can be unpacked."""
    lengths = tf.strings.length(packed)
    length = layout.WORD_BYTES * feed.all_words
    words = tf.io.decode_raw(packed, tf.int32, fixed_length=length)  # pads with zeros
    positives, ignored, boxes = (words[:, at] for at in (layout.POSITIVES, layout.IGNORED, layout.BOXES))
    counts = words[:, layout.POSITIVES : layout.HEADER]
    most = tf.constant([feed.positives, feed.ignored, feed.boxes])
    whole = tf.reduce_all((counts >= 0) & (counts <= most))
    total = layout.HEADER + layout.POSITIVE_WORDS * positives + ignored + layout.BOX_WORDS * boxes
    # A mask for each part of a row of words, from its start and end. Labels and boxes are checked as ground truth.
    starts = layout.HEADER + tf.stack([0 * positives, positives, 2 * positives, 6 * positives], axis=1)
    ends = tf.concat([starts[:, 1:], (starts[:, 3] + ignored)[:, None]], axis=1)
    at = tf.range(feed.words)
    anchors, classes, offsets, ignored_anchors = (
        (at >= starts[:, part, None]) & (at < ends[:, part, None]) for part in range(4)
    )
    targets = words[:, : feed.words]
    follows = tf.concat([targets[:, :1] < 0, targets[:, 1:] > targets[:, :-1]], axis=1)
    first = (at == starts[:, :1]) | (at == starts[:, 3:])
    listed = (targets >= 0) & (targets < len(feed.anchors)) & (first | follows)
    holds = [
        whole,
        tf.reduce_all(lengths == layout.WORD_BYTES * total),
        tf.reduce_all(listed | ~(anchors | ignored_anchors)),
        tf.reduce_all(((targets >= 0) & (targets < feed.background)) | ~classes),
        tf.reduce_all(tf.math.is_finite(tf.bitcast(targets, tf.float32)) | ~offsets),
    ]
    return checked(words, holds, f"{BROKEN_RECORD} valid targets")


def _ground_truth(words: tf.Tensor, feed: Feed) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The boxes, [B, (G), 4] float32, and the labels, [B, (G)] int64, of views."""
    counts = words[:, layout.BOXES]
    start = layout.HEADER + layout.POSITIVE_WORDS * words[:, layout.POSITIVES] + words[:, layout.IGNORED]
    number = tf.range(feed.boxes)
    labels = tf.gather(words, start[:, None] + number, batch_dims=1)
    at = (start + counts)[:, None, None] + 4 * number[:, None] + tf.range(4)
    corners = tf.bitcast(tf.gather(words, tf.minimum(at, feed.all_words - 1), batch_dims=1), tf.float32)
    there = number < counts[:, None]
    rows = tf.RaggedTensor.from_row_lengths
    lengths = tf.cast(counts, tf.int64)
    return (
        rows(tf.boolean_mask(corners, there), lengths, validate=False),
        rows(tf.cast(tf.boolean_mask(labels, there), tf.int64), lengths, validate=False),
    )
