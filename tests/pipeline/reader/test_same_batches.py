"""One record set, one stream of batches: the same bytes in the same order from the TensorFlow of either stack."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.reader.dataset import read_evaluation_batches, read_training_batches
from pipeline.records.manifest import Manifest
from tests.record_sets import TINY, with_format, write_record_set

# By the format of the images: the SHA-256 of all shards; and of two passes of training batches, sparse and dense, and
# of all test batches. Each stack must give them, and so what one writes trains the other alike. They change with the
# format of records or with the order of the stream, and then on purpose. The dense batches are those of format 1 still.
SHARDS = {
    "raw": "e547d4d89308070fbfb805048a84773241a34dc5962e451fad0b9fb1bcfc7dfb",
    "png": "89e6691f89c57ca466d193cd99060ebb80aae91f4494cb24fe71c626f61e8eed",
    "jpeg": "013062b64f45e9be0fa47501787137d5f92c5c187c64ad54caddc1a6272f663f",
}
LOSSLESS = (
    "612c31d7347c018bdf83b0348fa7144f72a71d4d29bb6f9e717cd5da8a5e0c67",
    "0aa04ab79f228478142eaf4db6192a5ba92bb42da004d5c047247e6ed52e8231",
    "c38c2ec09539800e75c9155661ea8e0a2d5153dd791aa8f03681166003302293",
)
BATCHES = {
    "raw": LOSSLESS,
    "png": LOSSLESS,
    "jpeg": (
        "75cd4811b631705765f03796dcae10a74e82a0595aff543b206d5871a5fe71ba",
        "dd51fabfafe19a76f466a80374cf0eababd34f537dc7917297b640310b577392",
        "84ca1a48b35d1d7719ac7e01664e683059a4db3a29debec48063243ec301ebd4",
    ),
}


def shards_digest(folder: Path, manifest: Manifest) -> str:
    return hashlib.sha256(b"".join((folder / s.name).read_bytes() for s in manifest.all_shards())).hexdigest()


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
    sparse = digest(read_training_batches(manifest, batch=8, seed=7).take(6))
    dense = digest(read_training_batches(manifest, batch=8, seed=7, dense=True).take(6))
    assert (sparse, dense, digest(read_evaluation_batches(manifest, "test", batch=4))) == BATCHES[image_format]
