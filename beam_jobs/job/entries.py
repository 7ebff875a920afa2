"""Turns a source's items into the entries of the shards: splits, copies, and the shard of each."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from beam_jobs.sources.source import Item, Source, SourceBox
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.records.keys import chosen, hash63, record_key, source_id_of, split_of

ShardId = tuple[str, int]  # split, number


class Entry(NamedTuple):
    """One record to build. It goes through the shuffle packed: see `packed`."""

    key: str
    reference: str
    label: int | None
    boxes: tuple[SourceBox, ...] | None
    image_id: str | None = None

    @property
    def split(self) -> str:
        """Its split."""
        return split_of(self.key)

    @property
    def source_id(self) -> str:
        """The id of its picture."""
        return source_id_of(self.key)


def record_split(config: RecordsConfig, source: Source, item: Item) -> str:
    """The split of an item's records.

    If the source has no val split, part of its training split becomes val, chosen by hash of the source id.
    """
    if item.split == "train" and not source.has_val and chosen(item.source_id, config.val_fraction, "val"):
        return "val"
    return item.split


def limited(config: RecordsConfig, items: Iterable[Item]) -> Iterator[Item]:
    """The first `config.limit` items of each split of the source; all items if there is no limit."""
    seen: dict[str, int] = {}
    for item in items:
        seen[item.split] = seen.get(item.split, 0) + 1
        if config.limit is None or seen[item.split] <= config.limit:
            yield item


def entries_of(config: RecordsConfig, source: Source, item: Item) -> Iterator[tuple[ShardId, Entry]]:
    """The entries of an item, one for each copy, with their shards."""
    split = record_split(config, source, item)
    for copy in range(config.copies_of(split)):
        key = record_key(split, item.source_id, copy)
        shard = hash63(key) % config.shards.of(split)
        yield (split, shard), Entry(key, item.reference, item.label, item.boxes, item.image_id)


def packed(entry: Entry) -> bytes:
    """An entry as bytes: a worker that groups a shard's entries holds a tenth of what objects take."""
    boxes = None if entry.boxes is None else tuple(tuple(box) for box in entry.boxes)  # plain tuples pack smaller
    return pickle.dumps((*entry[:3], boxes, entry.image_id), protocol=5)


def unpacked(data: bytes) -> Entry:
    """The inverse of `packed`."""
    entry = Entry._make(pickle.loads(data))
    return entry if entry.boxes is None else entry._replace(boxes=tuple(SourceBox._make(box) for box in entry.boxes))


def in_order(packed_entries: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of a shard in record order, unpacked when they are reached.

    The order is by the hash of the key, and for equal keys by all their fields.
    """
    for _, same in groupby(sorted(packed_entries, key=_place), key=_key):
        yield from sorted(map(unpacked, same), key=repr)


def _place(data: bytes) -> tuple[int, str]:
    key = _key(data)
    return hash63(key), key


def _key(data: bytes) -> str:
    return str(pickle.loads(data)[0])


def all_shards(config: RecordsConfig) -> list[ShardId]:
    """Every shard of the set, including those that get no entry."""
    return [(split, shard) for split in SPLITS for shard in range(config.shards.of(split))]
