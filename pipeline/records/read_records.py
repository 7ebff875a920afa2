"""Reads the records of a split one after the other, without TensorFlow, and checks each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import open_regular
from pipeline.records.check_record import parse_record
from pipeline.records.manifest import WAY_OUT, Manifest
from pipeline.records.record import Record
from pipeline.records.tfrecord import BrokenFrame, read_frames


def read_records(manifest: Manifest, split: str) -> Iterator[Record]:
    """The records of a split, in the order of its files.

    Raises `UserError` that names shard, record and feature at the first record that is wrong.
    """
    for shard in manifest.shards(split):
        path = Path(manifest.folder) / shard.name
        index = 0
        try:
            with open_regular(path) as file:
                for serialized in read_frames(file, shard.bytes):
                    yield parse_record(serialized, manifest, split)
                    index += 1
        except BrokenFrame as error:
            raise UserError(f"{path}: {error}; {WAY_OUT}") from None
        except ValueError as error:
            raise UserError(f"{path}: record {index}: {error}; {WAY_OUT}") from None
        if index != shard.examples:
            raise UserError(f"{path} must hold {shard.examples} records, got {index}; {WAY_OUT}")
