"""Alters a record set, and every checksum with it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from beam_jobs.job.receipt import Receipt, parse_receipt
from pipeline.records.manifest import Manifest, Shard, load_manifest
from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record, decode_record, encode_record
from pipeline.records.tfrecord import frame, read_frames
from tests.one_view import encode_targets


def forge(records: Path, alter: Callable[[list[Record]], list[Record]]) -> str:
    """Alters the records of the first shard. Returns its name."""
    return forge_bytes(records, lambda before: [encode_record(r) for r in alter([decode_record(b) for b in before])])


def forge_bytes(records: Path, alter: Callable[[list[bytes]], list[bytes]]) -> str:
    """Alters the serialized records of the first shard, whose stated number stays. Returns its name."""
    manifest = load_manifest(str(records))
    old = manifest.shards("train")[0]
    with (records / old.name).open("rb") as file:
        after = alter(list(read_frames(file, old.bytes)))
    frames = [frame(record) for record in after]
    data = b"".join(frames)
    (records / old.name).write_bytes(data)
    new = Shard(old.name, old.examples, len(data), hashlib.sha256(data).hexdigest())
    passes = structs.replace(manifest.passes, train=((new, *manifest.shards("train")[1:]),))
    (records / "manifest.json").write_text(structs.replace(manifest, passes=passes).to_json())
    *begins, _ = itertools.accumulate(map(len, frames), initial=0)
    forge_receipt(records, lambda receipt: structs.replace(receipt, shards=(new,), begins=(tuple(begins),)))
    return old.name


def forge_receipt(records: Path, alter: Callable[[Receipt], Receipt]) -> Receipt:
    """Alters the receipt of the first shard. Returns it as it was."""
    path = records / "receipts" / load_manifest(str(records)).shards("train")[0].name.replace(".tfrecord", ".json")
    receipt = parse_receipt(path.read_bytes())
    assert receipt is not None
    path.write_bytes(alter(receipt).to_json())
    return receipt


def second(change: Callable[[Record], Record]) -> Callable[[list[Record]], list[Record]]:
    """Changes only the record of index 1."""
    return lambda records: [records[0], change(records[1]), *records[2:]]


def in_view(change: Callable[[RecordView], RecordView], number: int = 0) -> Callable[[Record], Record]:
    """Changes only one view of a record."""

    def changed(record: Record) -> Record:
        views = list(record.views)
        views[number] = change(views[number])
        return replace(record, views=tuple(views))

    return changed


def matched_anew(view: RecordView, manifest: Manifest) -> RecordView:
    """The view with the targets that its boxes have."""
    targets, _ = encode_targets(view.boxes, view.labels, anchors=manifest.anchors, matching=manifest.matching)
    return replace(view, targets=targets)
