"""Records to batches: uint8 canvases and dense targets, parsed and densified by the batch.

Training reads the set again and again. One reading is a pass: its order depends on (seed, pass) alone, so
that the batch of any step can be found again. Evaluation reads a split once, in the order of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline import example
from pipeline.errors import UserError
from pipeline.manifest import Manifest, check_shards, load_manifest

IGNORED = -1  # the dense class of anchors that are neither object nor background
SHUFFLE_BYTES = 128 << 20  # of records that wait in the shuffle buffer, at most
BROKEN_RECORD = "record must hold"  # how the reader's own findings begin

_INTS = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
_FLOATS = tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
_PICTURE = {
    example.ENCODED: tf.io.FixedLenFeature([], tf.string),
    example.WINDOW: tf.io.FixedLenFeature([4], tf.int64),
}
_TARGETS = {
    example.TARGET_ANCHOR: _INTS,
    example.TARGET_CLASS: _INTS,
    example.TARGET_OFFSETS: _FLOATS,
    example.TARGET_IGNORED: _INTS,
}
_GROUND_TRUTH = {
    example.KEY: tf.io.FixedLenFeature([], tf.string),
    example.LABEL: _INTS,
    **dict.fromkeys(example.BOX_SIDES, _FLOATS),
}


def steps_per_pass(manifest: Manifest, batch: int) -> int:
    """Whole batches in one pass over the training records. Raises `UserError` where there is none."""
    examples = manifest.examples("train")
    if examples < batch:
        raise UserError(f"--batch must be at most the {examples} training records of {manifest.folder}, "
                        f"got {batch}; choose a smaller batch, or make more records")  # fmt: skip
    return examples // batch


def training_batches(
    manifest: Manifest, *, batch: int, seed: int, start_step: int = 0, parallel_calls: int = tf.data.AUTOTUNE
) -> tf.data.Dataset:
    """An endless stream of shuffled training batches that begins at any step.

    Args:
        manifest: of the record set.
        batch: pictures in a batch, over all replicas; what remains of a pass is left for the next.
        seed: with the number of the pass it decides the order.
        start_step: batches that were consumed before, by the run that this one continues.
        parallel_calls: batches that are parsed at a time.

    Returns:
        Batches of (images, targets): uint8 [B, H, W, 3]; `classes` int32 [B, N], where background is the
        index after the last class and ignored anchors are -1; `offsets` float32 [B, N, 4].
    """
    steps = steps_per_pass(manifest, batch)
    first_pass, skipped_steps = divmod(start_step, steps)
    paths = tf.constant(_paths(manifest, "train"))
    examples = manifest.examples("train")
    buffer = min(examples, max(batch, SHUFFLE_BYTES * examples // sum(s.bytes for s in manifest.shards["train"])))

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        ranks = tf.random.stateless_uniform(
            tf.shape(paths), [seed, number], minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        records = tf.data.TFRecordDataset(tf.gather(paths, tf.argsort(ranks, stable=True)))
        # One more draw from the key: tf.data's shuffle takes a single number for its seed. It would mix in the
        # process's global seed, which is unset here, in the graph of this function alone.
        tf.random.set_seed(None)
        shuffle_seed = tf.random.stateless_uniform(
            [], [seed, -1 - number], minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        shuffled = records.shuffle(buffer, seed=shuffle_seed, reshuffle_each_iteration=False).take(steps * batch)
        return shuffled.skip(tf.where(number == first_pass, tf.constant(skipped_steps * batch, tf.int64), 0))

    passes = tf.data.Dataset.range(first_pass, tf.int64.max)
    batches = passes.flat_map(one_pass).batch(batch, drop_remainder=True)
    dense = batches.map(
        lambda serialized: _training_batch(serialized, manifest),
        num_parallel_calls=parallel_calls,
        deterministic=True,
    )
    return dense.prefetch(tf.data.AUTOTUNE).with_options(_options())


def evaluation_batches(manifest: Manifest, split: str, *, batch: int, limit: int | None = None) -> tf.data.Dataset:
    """A split once, in the order of its files; the last batch holds what is left.

    Returns:
        Batches of (images, ground truth): uint8 [B, H, W, 3]; `keys` string [B], `boxes` float32 [B, (G), 4]
        corners in [0, 1] and `labels` int64 [B, (G)], both ragged.
    """
    records = tf.data.TFRecordDataset(_paths(manifest, split))
    if limit is not None:
        records = records.take(limit)
    dense = records.batch(batch).map(
        lambda serialized: _evaluation_batch(serialized, manifest), num_parallel_calls=tf.data.AUTOTUNE
    )
    return dense.prefetch(tf.data.AUTOTUNE).with_options(_options())


@contextmanager
def named_read_errors(manifest: Manifest, split: str) -> Iterator[None]:
    """Turns TensorFlow's error about a broken record, met inside, into a `UserError` that names the shard."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        check_shards(load_manifest(manifest.folder), split)  # raises where a file is gone or was altered
        message = str(error.message)
        if BROKEN_RECORD in message or "parse" in message:
            found = message[max(0, message.find(BROKEN_RECORD)) :].splitlines()[0]
            raise UserError(f"{manifest.folder}: every {split} record must parse, got one that does not "
                            f"({found}); run `make records` again") from None  # fmt: skip
        raise


def _paths(manifest: Manifest, split: str) -> list[str]:
    return [str(Path(manifest.folder) / shard.name) for shard in manifest.shards[split]]


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


def _training_batch(serialized: tf.Tensor, manifest: Manifest) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    features = tf.io.parse_example(serialized, {**_PICTURE, **_TARGETS})
    return _images(features, manifest), _dense_targets(features, len(manifest.anchors), manifest.background)


def _evaluation_batch(serialized: tf.Tensor, manifest: Manifest) -> tuple[tf.Tensor, dict[str, Any]]:
    features = tf.io.parse_example(serialized, {**_PICTURE, **_GROUND_TRUTH})
    boxes = tf.stack([features[side] for side in example.BOX_SIDES], axis=-1)
    return _images(features, manifest), {
        "keys": features[example.KEY],
        "boxes": boxes,
        "labels": features[example.LABEL],
    }


def _dense_targets(features: dict[str, Any], anchors: int, background: int) -> dict[str, tf.Tensor]:
    """Scatters the sparse targets of a batch at once, at index row · N + anchor."""
    matched, ignored = features[example.TARGET_ANCHOR], features[example.TARGET_IGNORED]
    batch = matched.nrows()

    def flat_index(named: tf.RaggedTensor) -> tf.Tensor:
        exists = (named.values >= 0) & (named.values < anchors)
        values = _checked(named.values, exists, f"{BROKEN_RECORD} anchors below {anchors}")
        return (values + named.value_rowids() * anchors)[:, None]

    matched_at, ignored_at = flat_index(matched), flat_index(ignored)
    classes = tf.fill([batch * anchors], tf.constant(background, tf.int32))
    at = tf.concat([matched_at, ignored_at], axis=0)
    values = [
        tf.cast(features[example.TARGET_CLASS].values, tf.int32),
        tf.fill(tf.shape(ignored_at)[:1], IGNORED),
    ]
    classes = tf.tensor_scatter_nd_update(classes, at, tf.concat(values, axis=0))
    offsets = tf.reshape(features[example.TARGET_OFFSETS].values, [-1, 4])
    offsets = tf.scatter_nd(matched_at, offsets, [batch * anchors, 4])
    return {
        "classes": tf.reshape(classes, [batch, anchors]),
        "offsets": tf.reshape(offsets, [batch, anchors, 4]),
    }


def _images(features: dict[str, Any], manifest: Manifest) -> tf.Tensor:
    """Decodes and paints the windows of a batch. -> uint8 [B, H, W, 3].

    One `pad` a picture copies whole rows: three times as fast as one scatter of all the batch's pixels.
    """
    size = manifest.canvas_size
    windows = tf.cast(features[example.WINDOW], tf.int32)
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
        (features[example.ENCODED], windows),
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=1,
    )


def _decoded(encoded: tf.Tensor, picture_format: str) -> tf.Tensor:
    """The uint8 values of a picture, in any shape."""
    if picture_format == "raw":
        return tf.io.decode_raw(encoded, tf.uint8)
    if picture_format == "png":
        return tf.io.decode_png(encoded, channels=3)
    # The exact transform, as the image library of the records job decodes.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def _checked(value: tf.Tensor, holds: tf.Tensor, message: str) -> tf.Tensor:
    """The value, once the condition was found to hold everywhere."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(holds), [message])]):
        return tf.identity(value)
