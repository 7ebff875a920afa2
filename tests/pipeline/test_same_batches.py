"""One record set, one stream of batches: the same bytes in the same order from the TensorFlow of either stack."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config import SPLITS
from pipeline.dataset import evaluation_batches, training_batches
from pipeline.manifest import Manifest
from tests.record_sets import TINY, with_format, write_record_set

# Of the shards, of six training batches, and of all test batches, by the format of the pictures. Each stack must give
# them: that is how records made with one are known to train the other alike. They change with the format of records,
# or with the order of the stream, and then on purpose.
GOLDEN = {
    "raw": ("", "", ""),
    "png": ("", "", ""),
    "jpeg": ("", "", ""),
}


def shards_digest(folder: Path, manifest: Manifest) -> str:
    shards = [shard for split in SPLITS for shard in manifest.shards[split]]
    return hashlib.sha256(b"".join((folder / shard.name).read_bytes() for shard in shards)).hexdigest()


def digest(batches: Iterable[Any]) -> str:
    """The SHA-256 of every array of every batch, with its type and shape."""
    total = hashlib.sha256()
    for batch in batches:
        for value in tf.nest.flatten(batch, expand_composites=True):
            array = np.asarray(value)
            total.update(f"{array.dtype} {array.shape}".encode())
            total.update(b"\n".join(array.tolist()) if array.dtype == object else array.tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("picture_format", GOLDEN)
def test_both_stacks_write_and_read_the_same(picture_format: str, tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, config=with_format(TINY, picture_format))
    trained = training_batches(manifest, batch=8, seed=7).take(6)  # two passes, each in an order of its own
    found = (
        shards_digest(tmp_path, manifest),
        digest(trained),
        digest(evaluation_batches(manifest, "test", batch=4)),
    )
    assert found == GOLDEN[picture_format]
