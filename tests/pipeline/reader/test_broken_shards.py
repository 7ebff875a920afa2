"""Errors of reading name the shard and the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.records_config import ShardCounts
from pipeline.errors import UserError
from pipeline.reader.dataset import name_read_errors, read_evaluation_batches, read_training_batches
from pipeline.records.manifest import Manifest
from pipeline.records.packed_view import PLACE
from pipeline.records.record import encode_record
from pipeline.records.tf_example import decode_example, encode_example
from tests.pipeline.reader.altered_view import change_words
from tests.pipeline.reader.batches import batches
from tests.record_sets import TINY, make_records, with_format, write_record_set


def test_a_flipped_bit_names_the_shard(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    path = tmp_path / manifest.shards("train")[1].name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match=path.name), name_read_errors(manifest, "train"):
        batches(read_training_batches(manifest, batch=4, seed=0), 6)


def test_a_shard_that_goes_away_is_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    path = tmp_path / manifest.shards("test")[1].name
    path.unlink()
    with pytest.raises(UserError, match=path.name), name_read_errors(manifest, "test"):
        batches(read_evaluation_batches(manifest, "test", batch=4), 6)


ONE_SHARD = replace(TINY, shards=ShardCounts(train=1, val=1, test=1))

Change = Callable[[dict[str, Any]], None]


def set_with_one_altered(folder: Path, split: str, change: Change, image_format: str = "raw") -> Manifest:
    """A record set with honest checksums, and one feature altered in the third record of a split."""
    config = with_format(ONE_SHARD, image_format)
    serialized = [encode_record(record) for record in make_records(config, split, 5)]
    features: dict[str, Any] = decode_example(serialized[2])
    change(features)
    serialized[2] = encode_example(features)
    return write_record_set(folder, config=config, train=5, val=1, test=5, serialized={split: serialized})


def read_all(manifest: Manifest, split: str) -> None:
    with name_read_errors(manifest, split):
        if split == "train":
            batches(read_training_batches(manifest, batch=5, seed=0), 1)
        else:
            batches(read_evaluation_batches(manifest, split, batch=2), 3)


def bad_place(features: dict[str, Any]) -> None:
    change_words(features, lambda words: words.__setitem__(PLACE, 63))


def bad_length(features: dict[str, Any]) -> None:
    features["image/views"] = [features["image/views"][0] + bytes(4)]


def bad_image(features: dict[str, Any]) -> None:
    features["image/encoded"] = [b"\x89PNG"]


def bad_kind(features: dict[str, Any]) -> None:
    features["image/views"] = np.arange(3)


@pytest.mark.parametrize(
    ("split", "feature", "change", "image_format"),
    [
        ("train", "image/views[0]: place must", bad_place, "raw"),
        ("train", "image/encoded: png image must", bad_image, "png"),
        ("train", "image/views must", bad_kind, "raw"),
        ("test", "image/views[0]: view must have", bad_length, "raw"),
    ],
)
def test_a_record_that_contradicts_the_manifest_is_named(
    split: str, feature: str, change: Change, image_format: str, tmp_path: Path
) -> None:
    manifest = set_with_one_altered(tmp_path, split, change, image_format)
    with pytest.raises(UserError) as refused:
        read_all(manifest, split)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path / manifest.shards(split)[0].name}: record 2: {feature}"), message
    assert "\n" not in message and len(message) < 1000


def test_an_error_that_is_not_of_the_records_stays_what_it_is(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mine"), name_read_errors(manifest, "train"):
        raise tf.errors.InvalidArgumentError(None, None, "mine, of an Iterator")
