"""Which records a batch holds, and in which order.

Training reads the records in passes. The order of a pass depends on (seed, pass) alone, and so does the view that each
record shows in it, so the batch of any step can be read again. Evaluation reads a split once, in the order of its
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.errors import UserError
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.parsing import parse_evaluation_batch, parse_keys, parse_training_batch
from pipeline.reader.unpack import unpack
from pipeline.records.keys import BrokenImageId
from pipeline.records.manifest import Manifest, Shard, check_shards, load_manifest
from pipeline.records.read_records import read_records
from pipeline.records.record import BrokenGroundTruth

# Nothing here needs AutoGraph, and its conversion would take seconds at every start.
without_autograph = tf.autograph.experimental.do_not_convert

# What TensorFlow raises for a broken record: UnicodeDecodeError where it quotes the record's bytes in a message.
_MET_READING = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    UnicodeDecodeError,
    BrokenGroundTruth,
    BrokenImageId,
)
_READING = "Iterator"  # in every message of an input pipeline: the operation that asked for the batch

SHUFFLE_BYTES = 128 << 20  # of records in the shuffle buffer, at most


@dataclass(frozen=True)
class Reader:
    """What one rank of a training run reads: every `count`-th shard, starting at its index."""

    index: int = 0
    count: int = 1

    def shards(self, manifest: Manifest) -> tuple[Shard, ...]:
        """The training shards that this rank reads."""
        return manifest.shards("train")[self.index :: self.count]


ONLY_READER = Reader()


def count_steps_per_pass(manifest: Manifest, batch: int, readers: int = 1) -> int:
    """Whole batches in one pass over the training records, for the rank that has the fewest records.

    Args:
        manifest: of the record set.
        batch: images in a global batch; each rank reads an equal part of it.
        readers: ranks that share the shards.

    Raises `UserError` if there is no whole batch, or fewer shards than ranks.
    """
    shards = len(manifest.shards("train"))
    if shards < readers:
        raise UserError(
            f"{manifest.folder} must have at least {readers} training shards, one for each rank, got {shards}; "
            "make the records with more shards (records.shards)"
        )
    own = batch // readers
    steps = min(sum(s.examples for s in Reader(k, readers).shards(manifest)) // own for k in range(readers))
    if not steps:
        raise UserError(_explain_too_few_records(manifest, batch, readers))
    return steps


def _explain_too_few_records(manifest: Manifest, batch: int, readers: int) -> str:
    examples = manifest.examples("train")
    if not examples:
        return f"{manifest.folder} has no training records; choose another record set, or make one with more images"
    ranks = f", divided among {readers} ranks" if readers > 1 else ""
    return (
        f"--batch must be at most the {examples} training records of {manifest.folder}{ranks}, got {batch}; "
        "choose a smaller batch, or make more records"
    )


def read_training_batches(
    manifest: Manifest,
    *,
    batch: int,
    seed: int,
    start_step: int = 0,
    reader: Reader = ONLY_READER,
    parallel_calls: int = tf.data.AUTOTUNE,
    dense: bool = False,
) -> tf.data.Dataset:
    """An endless stream of shuffled training batches, from any step on.

    In pass p a record shows view (hash of its key + p) mod V: no view twice before all were shown.

    Args:
        manifest: of the record set.
        batch: images in a global batch. The last, incomplete batch of a pass is dropped.
        seed: decides the order of each pass, together with the number of the pass.
        start_step: the first step, counted from 0; more than 0 when a run is resumed.
        reader: the rank; its batches are its part of the global batches.
        parallel_calls: batches parsed at the same time; by default one for each core, at most 16.
        dense: whether to unpack the batches here, for a trainer that takes images and dense targets.

    Returns:
        Sparse batches, as batch_spec.py describes them, for `unpack`; or what `unpack` makes of them: (images,
        targets), uint8 [B, H, W, 3], `classes` int32 [B, N] and `offsets` float32 [B, N, 4].
    """
    spec = make_batch_spec(manifest, "train")

    @without_autograph
    def parse(records: tf.Tensor, number: tf.Tensor) -> Any:
        parsed = parse_training_batch(records, number, manifest, spec)
        return unpack(parsed, spec) if dense else parsed

    serialized = _read_serialized_batches(manifest, batch=batch, seed=seed, start_step=start_step, reader=reader)
    batches = serialized.map(parse, num_parallel_calls=parallel_calls, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options())


def list_keys_of_step(manifest: Manifest, *, batch: int, seed: int, step: int, readers: int = 1) -> list[str]:
    """The keys of the records in the global batch of a step, counted from 0. Reads them from the shards again."""
    keys = []
    for index in range(readers):
        own = Reader(index, readers)
        serialized = _read_serialized_batches(manifest, batch=batch, seed=seed, start_step=step, reader=own)
        for records, _ in serialized.take(1):
            keys += [key.decode(errors="replace") for key in parse_keys(records).numpy()]
    return keys


def _read_serialized_batches(
    manifest: Manifest, *, batch: int, seed: int, start_step: int, reader: Reader
) -> tf.data.Dataset:
    """A rank's part of every global batch, in the order of training: serialized records and the number of the pass.

    string [B / ranks], int64 [].
    """
    steps = count_steps_per_pass(manifest, batch, reader.count)
    own = batch // reader.count
    first_pass, skipped_steps = divmod(start_step, steps)
    shards = reader.shards(manifest)
    paths = tf.constant([str(Path(manifest.folder) / shard.name) for shard in shards])
    examples = sum(shard.examples for shard in shards)
    buffer = min(examples, max(own, SHUFFLE_BYTES * examples // sum(shard.bytes for shard in shards)))

    @without_autograph
    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        ranks = tf.random.stateless_uniform(
            tf.shape(paths), [seed, number], minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        records = tf.data.TFRecordDataset(tf.gather(paths, tf.argsort(ranks, stable=True)))
        # tf.data's shuffle takes one number as its seed, so draw one from the key. The shuffle would also mix in the
        # global seed of the process; it is unset here, in the graph of this function alone.
        tf.random.set_seed(None)
        shuffle_seed = tf.random.stateless_uniform(
            [], [seed, -1 - number], minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        shuffled = records.shuffle(buffer, seed=shuffle_seed, reshuffle_each_iteration=False).take(steps * own)
        left = shuffled.skip(tf.where(number == first_pass, tf.constant(skipped_steps * own, tf.int64), 0))
        return left.batch(own, drop_remainder=True).map(lambda serialized: (serialized, number))

    return tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(one_pass)


def read_evaluation_batches(manifest: Manifest, split: str, *, batch: int, limit: int | None = None) -> tf.data.Dataset:
    """All records of a split once, each in its first view, in the order of its files. The last batch may be smaller.

    Returns:
        Batches of (images, ground truth): uint8 [B, H, W, 3]; `keys` string [B], `boxes` float32 [B, (G), 4]
        corners in [0, 1] and `labels` int64 [B, (G)], both ragged.
    """
    records = tf.data.TFRecordDataset([str(Path(manifest.folder) / shard.name) for shard in manifest.shards(split)])
    if limit is not None:
        records = records.take(limit)
    spec = make_batch_spec(manifest, split)

    @without_autograph
    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
        views = manifest.config.views_of(split)
        sparse, ground_truth = parse_evaluation_batch(serialized, manifest, spec, views=views)
        return unpack(sparse, spec)[0], ground_truth

    batches = records.batch(batch).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options())


@contextmanager
def name_read_errors(manifest: Manifest, split: str) -> Iterator[None]:
    """Turns TensorFlow's error about a record, raised inside, into a `UserError` that names shard, record and feature.

    To find the record it reads the whole split again, without TensorFlow.
    """
    try:
        yield
    except _MET_READING as error:
        check_shards(load_manifest(manifest.folder), split)
        if _READING in str(error) or isinstance(error, UnicodeDecodeError | BrokenGroundTruth | BrokenImageId):
            for _ in read_records(manifest, split):
                pass
        raise  # the records are as they should be


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # An iterator's tuning thread can miss the signal that ends it (StartCancel notifies it before it marks the
    # iterator as cancelled). Whoever deletes the iterator then waits for as long as a minute.
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
