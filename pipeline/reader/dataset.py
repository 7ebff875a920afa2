"""Records to batches: uint8 canvases and dense targets, parsed and densified by the batch.

Training reads the set again and again. One reading is a pass: its order depends on (seed, pass) alone, so
that the batch of any step can be found again. Evaluation reads a split once, in the order of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from pipeline.errors import UserError
from pipeline.reader.parsing import BROKEN_RECORD, parse_evaluation_batch, parse_keys, parse_training_batch
from pipeline.records.manifest import WAY_OUT, Manifest, Shard, check_shards, load_manifest

# AutoGraph would take seconds at every start to convert code that has no use for it.
without_autograph = tf.autograph.experimental.do_not_convert

SHUFFLE_BYTES = 128 << 20  # of records that wait in the shuffle buffer, at most


@dataclass(frozen=True)
class Reader:
    """One of the processes that train together: it reads every `count`-th shard, and no other."""

    index: int = 0
    count: int = 1

    def shards(self, manifest: Manifest) -> tuple[Shard, ...]:
        """The training shards that are this reader's."""
        return manifest.shards["train"][self.index :: self.count]


ONLY_READER = Reader()


def steps_per_pass(manifest: Manifest, batch: int, readers: int = 1) -> int:
    """Whole batches in one pass over the training records: what the reader with the fewest has.

    Args:
        manifest: of the record set.
        batch: pictures in a global batch, an equal part of it from every reader.
        readers: processes that share the shards.

    Raises:
        UserError: where there is no whole batch, or a reader would have no shard.
    """
    shards, examples = len(manifest.shards["train"]), manifest.examples("train")
    if shards < readers:
        raise UserError(f"{manifest.folder} must have at least {readers} training shards, one for each worker, "
                        f"got {shards}; make the records with more shards (records.shards)")  # fmt: skip
    own = batch // readers
    steps = min(sum(s.examples for s in Reader(k, readers).shards(manifest)) // own for k in range(readers))
    if not steps:
        of = f" of each of {readers} workers" if readers > 1 else ""
        raise UserError(f"--batch must be at most the {examples} training records of {manifest.folder}{of}, "
                        f"got {batch}; choose a smaller batch, or make more records")  # fmt: skip
    return steps


def training_batches(
    manifest: Manifest,
    *,
    batch: int,
    seed: int,
    start_step: int = 0,
    reader: Reader = ONLY_READER,
    parallel_calls: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """An endless stream of shuffled training batches that begins at any step.

    Args:
        manifest: of the record set.
        batch: pictures in a global batch; what remains of a pass is left for the next.
        seed: with the number of the pass it decides the order.
        start_step: batches that were consumed before, by the run that this one continues.
        reader: which of the processes that share the batch; its batches are its part of the global ones.
        parallel_calls: batches that are parsed at a time.

    Returns:
        Batches of (images, targets): uint8 [B, H, W, 3]; `classes` int32 [B, N], where background is the
        index after the last class and ignored anchors are -1; `offsets` float32 [B, N, 4].
    """
    serialized = _serialized_batches(manifest, batch=batch, seed=seed, start_step=start_step, reader=reader)
    dense = serialized.map(
        without_autograph(lambda records: parse_training_batch(records, manifest)),
        num_parallel_calls=parallel_calls,
        deterministic=True,
    )
    return dense.prefetch(tf.data.AUTOTUNE).with_options(_options())


def keys_of_step(manifest: Manifest, *, batch: int, seed: int, step: int, readers: int = 1) -> list[str]:
    """The keys of the records in the global batch of a step, counted from 0; read once more from the shards."""
    keys = []
    for index in range(readers):
        own = Reader(index, readers)
        serialized = _serialized_batches(manifest, batch=batch, seed=seed, start_step=step, reader=own)
        keys += [key.decode() for records in serialized.take(1) for key in parse_keys(records).numpy()]
    return keys


def _serialized_batches(
    manifest: Manifest, *, batch: int, seed: int, start_step: int, reader: Reader
) -> tf.data.Dataset:
    """The records of a reader's part of every global batch, string [B / readers], as `training_batches` orders them."""
    steps = steps_per_pass(manifest, batch, reader.count)
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
        # One more draw from the key: tf.data's shuffle takes a single number for its seed. It would mix in the
        # process's global seed, which is unset here, in the graph of this function alone.
        tf.random.set_seed(None)
        shuffle_seed = tf.random.stateless_uniform(
            [], [seed, -1 - number], minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        shuffled = records.shuffle(buffer, seed=shuffle_seed, reshuffle_each_iteration=False).take(steps * own)
        return shuffled.skip(tf.where(number == first_pass, tf.constant(skipped_steps * own, tf.int64), 0))

    passes = tf.data.Dataset.range(first_pass, tf.int64.max)
    return passes.flat_map(one_pass).batch(own, drop_remainder=True)


def evaluation_batches(manifest: Manifest, split: str, *, batch: int, limit: int | None = None) -> tf.data.Dataset:
    """A split once, in the order of its files; the last batch holds what is left.

    Returns:
        Batches of (images, ground truth): uint8 [B, H, W, 3]; `keys` string [B], `boxes` float32 [B, (G), 4]
        corners in [0, 1] and `labels` int64 [B, (G)], both ragged.
    """
    records = tf.data.TFRecordDataset([str(Path(manifest.folder) / shard.name) for shard in manifest.shards[split]])
    if limit is not None:
        records = records.take(limit)
    dense = records.batch(batch).map(
        without_autograph(lambda serialized: parse_evaluation_batch(serialized, manifest)),
        num_parallel_calls=tf.data.AUTOTUNE,
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
                            f"({found}); {WAY_OUT}") from None  # fmt: skip
        raise


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
