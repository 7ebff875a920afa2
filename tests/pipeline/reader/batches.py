"""Batches as lists, and what they should hold, one record after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.compositions.resize import paint_view
from pipeline.reader.dataset import read_training_batches
from pipeline.reader.unpack import IGNORED
from pipeline.records.manifest import Manifest
from pipeline.records.record import Record
from tests.record_sets import TINY


def batches(dataset: tf.data.Dataset, count: int) -> list[Any]:
    return list(dataset.take(count).as_numpy_iterator())


def same(some: Iterable[Any], others: Iterable[Any]) -> bool:
    pairs = zip(tf.nest.flatten(list(some)), tf.nest.flatten(list(others)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def dense_batches(manifest: Manifest, **how: Any) -> tf.data.Dataset:
    return read_training_batches(manifest, dense=True, **how)


def canvas(record: Record, number: int = 0) -> np.ndarray:
    """The canvas of a view."""
    return paint_view(record.image(), record.views[number].view, canvas=TINY.canvas)


def dense(record: Record, manifest: Manifest, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A view's targets, one anchor after the other."""
    sparse = record.views[number].targets
    classes = np.full(len(manifest.anchors), manifest.background, np.int32)
    offsets = np.zeros((len(manifest.anchors), 4), np.float32)
    for k, anchor in enumerate(sparse.anchors):
        classes[anchor] = sparse.classes[k]
        offsets[anchor] = sparse.offsets[k]
    for anchor in sparse.ignored:
        classes[anchor] = IGNORED
    return classes, offsets
