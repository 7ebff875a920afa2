"""How many images a second a record set feeds a training on this machine, and what the time goes into."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from pipeline.errors import format_count
from pipeline.reader.dataset import read_training_batches
from pipeline.records.manifest import Manifest

WARM_UP = 0.25  # of each measurement's time


@dataclass(frozen=True)
class Rates:
    """What so many reader threads deliver, in images a second."""

    threads: int
    sparse: float
    dense: float


def list_thread_counts(cores: int) -> list[int]:
    """1, 2, 4, … and the number of cores."""
    return sorted({cores, *itertools.takewhile(lambda count: count < cores, (1 << k for k in itertools.count()))})


def read_stored_batches(manifest: Manifest, batch: int) -> tf.data.Dataset:
    """Endless batches of training records as they are stored: what the disk and TFRecord's checksums allow."""
    paths = [str(Path(manifest.folder) / shard.name) for shard in manifest.shards("train")]
    records = tf.data.TFRecordDataset(paths).repeat().batch(batch, drop_remainder=True)
    return records.with_options(_limit_threads(1))


def read_by_threads(manifest: Manifest, batch: int, threads: int, *, dense: bool) -> tf.data.Dataset:
    """Endless training batches, read by so many threads."""
    batches = read_training_batches(manifest, batch=batch, seed=0, parallel_calls=threads, dense=dense)
    return batches.with_options(_limit_threads(threads))


def _limit_threads(threads: int) -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return options


def measure(batches: tf.data.Dataset, batch: int, seconds: float) -> float:
    """Images a second of endless batches: the first share of the time, in which buffers fill, does not count."""
    endless = iter(batches)
    _take_for(endless, WARM_UP * seconds)
    taken, took = _take_for(endless, (1 - WARM_UP) * seconds)
    return taken * batch / took


def _take_for(batches: Iterator[object], seconds: float) -> tuple[int, float]:
    """How many batches were taken in about so many seconds, one at least, and in how many exactly."""
    start, taken = time.perf_counter(), 0
    while not taken or time.perf_counter() - start < seconds:
        next(batches)
        taken += 1
    return taken, time.perf_counter() - start


def measure_bytes(batches: tf.data.Dataset, batch: int) -> float:
    """Bytes of an image in such a batch, with its targets."""
    tensors = tf.nest.flatten(next(iter(batches)))
    return sum(tensor.numpy().nbytes for tensor in tensors) / batch


def describe(
    measured: list[Rates], *, framing: float, stored: float, sizes: list[float], consumer: int | None
) -> list[str]:
    """The lines that are printed.

    Args:
        measured: by one thread first, then for more.
        framing: images a second of records that are only read.
        stored: bytes of a record on the disk.
        sizes: bytes of an image in a sparse and in a dense batch.
        consumer: images a second that a GPU trains, if the user said so.
    """
    lines = ["threads    sparse, images/s    unpacked, images/s"]
    lines += [f"{by.threads:7}{by.sparse:20,.0f}{by.dense:22,.0f}" for by in measured]
    one = measured[0]
    reading = min(1 / framing, 1 / one.sparse)
    unpacking = max(1 / one.dense - 1 / one.sparse, 0.0)
    parts = {"reading": reading, "decoding": 1 / one.sparse - reading, "unpacking": unpacking}
    whole = sum(parts.values())
    each = ", ".join(f"{name} {1e3 * part:.3f} ms ({part / whole:.0%})" for name, part in parts.items())
    lines.append(f"one thread spends on an image: {each}")
    lines.append(f"bytes of an image: {stored:,.0f} stored, {sizes[0]:,.0f} sparse, {sizes[1]:,.0f} unpacked")
    if consumer is not None:
        sparse, dense = (math.ceil(consumer / rate) for rate in (one.sparse, one.dense))
        lines.append(
            f"to feed {consumer:,} images/s at one thread's rate: {format_count(sparse, 'core')} if the GPU unpacks, "
            f"as a training on one does; {format_count(dense, 'core')} if the reader does"
        )
    return lines
