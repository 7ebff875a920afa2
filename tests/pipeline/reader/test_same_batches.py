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

# By the format of the pictures: the SHA-256 of all shards, and of two passes of training batches and all test batches.
# Each stack must give them, and so what one writes trains the other alike. They change with the format of records or
# with the order of the stream, and then on purpose.
SHARDS = {
    "raw": "1858dbdb84ef9edb6427fa29551ca59750108486d5ffe00d0979a53fed4359e1",
    "png": "1fa694556a4635f11b1638d0826dacb02054b420a271bcab1ea4485b2b1fef9c",
    "jpeg": "b97b350a1ae47174474a4e17a9d3a53c97f09217b43f142b86c468ebcef05053",
}
LOSSLESS = (
    "0aa04ab79f228478142eaf4db6192a5ba92bb42da004d5c047247e6ed52e8231",
    "177409663bc7202dd4f8fb98f7b490a0e0b336c74e74855a213ff7e2194ccabd",
)
BATCHES = {
    "raw": LOSSLESS,
    "png": LOSSLESS,
    "jpeg": (
        "dd51fabfafe19a76f466a80374cf0eababd34f537dc7917297b640310b577392",
        "52811dffc8e556a3837ea02f37df74cc3f14bf788c6a24c5e3d7e517a69ec2d0",
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


@pytest.mark.parametrize("picture_format", SHARDS)
def test_both_stacks_write_and_read_the_same(picture_format: str, tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, config=with_format(TINY, picture_format))
    assert shards_digest(tmp_path, manifest) == SHARDS[picture_format]
    trained = digest(training_batches(manifest, batch=8, seed=7).take(6))
    assert (trained, digest(evaluation_batches(manifest, "test", batch=4))) == BATCHES[picture_format]
