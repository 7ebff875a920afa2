"""Reading records one by one: whatever is wrong, the shard and the record are named."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import UserError
from pipeline.records.manifest import BySplit, Manifest, Shard
from pipeline.records.read_records import read_records
from pipeline.records.record import encode_record
from pipeline.records.tfrecord import frame
from tests.record_sets import TINY, make_records, write_record_set


def test_shard_record_and_feature_are_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    shard = manifest.shards("train")[1]
    records = make_records(TINY, "train", 6)[1::3]
    view = records[1].views[0]
    records[1] = replace(records[1], views=(replace(view, labels=view.labels + 3),))
    (tmp_path / shard.name).write_bytes(b"".join(frame(encode_record(record)) for record in records))
    where = rf"{shard.name}: record 1: image/views\[0\]: labels must be in \[0, 3\), got"
    with pytest.raises(UserError, match=where):
        list(read_records(with_shard(manifest, tmp_path / shard.name, 1), "train"))


def test_a_shard_with_a_record_too_few_or_too_many_is_named(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=6, val=1, test=1)
    path = tmp_path / manifest.shards("train")[0].name
    for count in (1, 3):
        path.write_bytes(b"".join(frame(encode_record(r)) for r in make_records(TINY, "train", count)))
        with pytest.raises(UserError, match=rf"{path.name} must hold 2 records, got {count}"):
            list(read_records(with_shard(manifest, path, 0), "train"))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=rf"{path.name}: record 2 at byte [0-9]+ is cut off"):
        list(read_records(with_shard(manifest, path, 0), "train"))


def with_shard(manifest: Manifest, path: Path, number: int) -> Manifest:
    """The manifest, its shard of that number with the size and checksum of the file."""
    data = path.read_bytes()
    shards = list(manifest.shards("train"))
    shards[number] = Shard(path.name, shards[number].examples, len(data), hashlib.sha256(data).hexdigest())
    passes = BySplit(train=(tuple(shards),), val=manifest.passes.val, test=manifest.passes.test)
    return msgspec.structs.replace(manifest, passes=passes)
