"""One record set, one stream of batches: the same bytes in the same order from the TensorFlow of either stack."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.records_config import SPLITS
from pipeline.reader.dataset import evaluation_batches, training_batches
from pipeline.records.manifest import Manifest
from tests.record_sets import TINY, with_format, write_record_set

# By the format of the images: the SHA-256 of all shards; and of two passes of training batches, sparse and dense, and
# of all test batches. Each stack must give them, and so what one writes trains the other alike. They change with the
# format of records or with the order of the stream, and then on purpose. The dense batches are those of format 1 still.
SHARDS = {
    "raw": "80ef03da02a8ac6e0a9d65480e5ddfa6e5ad5002d9d933a8f9f7081eba842e9a",
    "png": "a370dfce5c93815718b675e2815b52983244295ca83e5db1933abbe02c9be802",
    "jpeg": "3f925bc54340cd95215543352f3acdd4fc9f29d9cd9ca8056389d312e2868e65",
}
LOSSLESS = (
    "4a5495ab3b3fa536b15cd8171cfe032ceb49f24d62bbf34d507e81021893fe48",
    "0aa04ab79f228478142eaf4db6192a5ba92bb42da004d5c047247e6ed52e8231",
    "26698751e44e90a3cdae8d5c8ad2c03936af865b272ab7683ea8b0d61abc78cf",
)
BATCHES = {
    "raw": LOSSLESS,
    "png": LOSSLESS,
    "jpeg": (
        "e93ce6b6a9814130f78897d32fe7022649b8b6d5ff0ec2ba8ab33c47365919f2",
        "dd51fabfafe19a76f466a80374cf0eababd34f537dc7917297b640310b577392",
        "cad6da698d4c9fbebce77aa8a0910f0ae1feba573c3d6962e3b85cdfd4fc5698",
    ),
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


@pytest.mark.parametrize("image_format", SHARDS)
def test_both_stacks_write_and_read_the_same(image_format: str, tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, config=with_format(TINY, image_format))
    assert shards_digest(tmp_path, manifest) == SHARDS[image_format]
    sparse = digest(training_batches(manifest, batch=8, seed=7).take(6))
    dense = digest(training_batches(manifest, batch=8, seed=7, dense=True).take(6))
    assert (sparse, dense, digest(evaluation_batches(manifest, "test", batch=4))) == BATCHES[image_format]
