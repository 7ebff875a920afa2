"""Parses serialized records into sparse batches. The view of each record is chosen before anything is decoded."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.reader.batch_spec import IMAGES, WORDS, BatchSpec
from pipeline.reader.images import BROKEN_RECORD, require_all, take_shown_parts
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
    record.TRUTH: _ONE_STRING,
    record.IMAGE_ID: tf.io.FixedLenFeature([], tf.string, default_value=""),
    record.SOURCE_SIZE: tf.io.FixedLenFeature([2], tf.int64),
}
_KEY = {record.KEY: _ONE_STRING}


def parse_training_batch(
    serialized: tf.Tensor, passes: tf.Tensor, manifest: Manifest, spec: BatchSpec
) -> dict[str, tf.Tensor]:
    """Parses serialized training records to a sparse batch.

    Args:
        serialized: string [B].
        passes: the number of the pass that each belongs to, int64, [] or [B]. It decides which view is shown.
        manifest: of the record set.
        spec: of its training split.
    """
    count = manifest.config.views
    views = {record.VIEWS: tf.io.FixedLenFeature([count], tf.string)}
    features = tf.io.parse_example(serialized, {**_IMAGE, **_KEY, **views})
    shown = (tf.strings.to_hash_bucket_fast(features[record.KEY], count) + passes) % count
    packed = tf.gather(features[record.VIEWS], shown, batch_dims=1)
    words = _take_words(packed, spec)
    return {IMAGES: take_shown_parts(features, words, manifest, spec), WORDS: words[:, : spec.words]}


def parse_evaluation_batch(
    serialized: tf.Tensor, manifest: Manifest, spec: BatchSpec, *, views: int = 1
) -> tuple[dict[str, tf.Tensor], dict[str, Any]]:
    """Parses serialized records to a sparse batch of their first views, and the ground truth there.

    Args:
        serialized: string [B].
        manifest: of the record set.
        spec: of the split.
        views: of each record of the split.

    Returns:
        The sparse batch; and `keys` string [B], `boxes` float32 [B, (G), 4] corners in [0, 1], `labels` int64 [B, (G)].
        Of images with boxes of their own also: `objects` string [B] as record.py packs them, `image_ids` string [B],
        `source_sizes` int64 [B, 2] and `places` int32 [B, 2] (height and width, pixels).
    """
    packed = {record.VIEWS: tf.io.FixedLenFeature([views], tf.string)}
    own = manifest.config.composition.takes_boxes
    features = tf.io.parse_example(serialized, {**_IMAGE, **_KEY, **packed, **(_SOURCE if own else {})})
    keys, words = features[record.KEY], _take_words(features[record.VIEWS][:, 0], spec)
    boxes, labels = _take_ground_truth(words, spec)
    batch = {IMAGES: take_shown_parts(features, words, manifest, spec), WORDS: words[:, : spec.words]}
    truth = {"keys": keys, "boxes": boxes, "labels": labels}
    if own:
        truth["objects"], truth["image_ids"] = features[record.TRUTH], features[record.IMAGE_ID]
        truth["source_sizes"] = features[record.SOURCE_SIZE]
        truth["places"] = words[:, layout.PLACE + 2 : layout.MIRRORED]
    return batch, truth


def parse_keys(serialized: tf.Tensor) -> tf.Tensor:
    """The keys of serialized records, string [B]."""
    return tf.io.parse_example(serialized, _KEY)[record.KEY]


def _take_words(packed: tf.Tensor, spec: BatchSpec) -> tf.Tensor:
    """The words of packed views, string [B] -> int32 [B, all words]. Checks their counts and lengths alone."""
    words = tf.io.decode_raw(packed, tf.int32, fixed_length=layout.WORD_BYTES * spec.all_words)  # pads with zeros
    counts = words[:, layout.POSITIVES : layout.HEADER]
    end = layout.locate_parts(*tf.unstack(counts, axis=1)).end
    holds = [
        (counts >= 0) & (counts <= tf.constant([spec.positives, spec.ignored, spec.boxes])),
        tf.strings.length(packed) == layout.WORD_BYTES * end,
    ]
    return require_all(words, holds, f"{BROKEN_RECORD} views of the lengths that they state")


def _take_ground_truth(words: tf.Tensor, spec: BatchSpec) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The boxes, [B, (G), 4] float32, and the labels, [B, (G)] int64, of views."""
    counts = words[:, layout.BOXES]
    starts = layout.locate_parts(words[:, layout.POSITIVES], words[:, layout.IGNORED], counts)
    number = tf.range(spec.boxes)
    labels = _at(words, starts.labels[:, None] + number, spec)
    corners = tf.bitcast(_at(words, starts.boxes[:, None, None] + 4 * number[:, None] + tf.range(4), spec), tf.float32)
    there = number < counts[:, None]
    rows = tf.RaggedTensor.from_row_lengths
    lengths = tf.cast(counts, tf.int64)
    return (
        rows(tf.boolean_mask(corners, there), lengths, validate=False),
        rows(tf.cast(tf.boolean_mask(labels, there), tf.int64), lengths, validate=False),
    )


def _at(words: tf.Tensor, at: tf.Tensor, spec: BatchSpec) -> tf.Tensor:
    """Words of each row by their indices, [B, ...]; of indices that are too large, the last word."""
    return tf.gather(words, tf.minimum(at, spec.all_words - 1), batch_dims=1)
