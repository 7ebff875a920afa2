"""Turns a source's items into the entries of the shards: splits, copies, and the shard of each."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from beam_jobs.sources.source import Item, Source, SourceBox
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.records.keys import hash63, is_chosen, make_record_key, parse_source_id, split_of

ShardId = tuple[str, int]  # split, number
PackedEntry = tuple[str, bytes]  # an entry on its way through the shuffle: its key, and everything else


class Entry(NamedTuple):
    """One record to build."""

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
        """The id of its image."""
        return parse_source_id(self.key)


def record_split(config: RecordsConfig, source: Source, item: Item) -> str:
    """The split of an item's records.

    If the source has no val split, part of its training split becomes val, chosen by hash of the source id.
    """
    if item.split == "train" and not source.has_val and is_chosen(item.source_id, config.val_fraction, "val"):
        return "val"
    return item.split


def limit_items(config: RecordsConfig, items: Iterable[Item]) -> Iterator[Item]:
    """The first `config.limit` items of each split of the source; all items if there is no limit."""
    seen: dict[str, int] = {}
    for item in items:
        seen[item.split] = seen.get(item.split, 0) + 1
        if config.limit is None or seen[item.split] <= config.limit:
            yield item


def make_entries(config: RecordsConfig, source: Source, item: Item) -> Iterator[tuple[ShardId, Entry]]:
    """The entries of an item, one for each copy, with their shards."""
    split = record_split(config, source, item)
    for copy in range(config.copies_of(split)):
        key = make_record_key(split, item.source_id, copy)
        shard = hash63(key) % config.shards.of(split)
        yield (split, shard), Entry(key, item.reference, item.label, item.boxes, item.image_id)


def pack_entry(entry: Entry) -> PackedEntry:
    """An entry as it passes the shuffle, and as its worker holds it until its turn: in half the memory."""
    # Plain tuples: pickle would add the name of our class to each.
    boxes = None if entry.boxes is None else tuple(tuple(box) for box in entry.boxes)
    return entry.key, pickle.dumps((entry.reference, entry.label, boxes, entry.image_id))


def unpack_entry(packed: PackedEntry) -> Entry:
    """The inverse of `pack_entry`."""
    key, rest = packed
    reference, label, boxes, image_id = pickle.loads(rest)
    return Entry(key, reference, label, None if boxes is None else tuple(map(SourceBox._make, boxes)), image_id)


def sort_entries(entries: Iterable[PackedEntry]) -> list[PackedEntry]:
    """The entries of a shard in record order: by the hash of the key, and for equal keys by all their fields."""
    every = list(entries)
    count = Counter(key for key, _ in every)

    def place(packed: PackedEntry) -> tuple[Any, ...]:
        key, _ = packed
        if count[key] == 1:
            return hash63(key), key
        entry = unpack_entry(packed)
        return hash63(key), key, entry.reference, repr(entry)

    return sorted(every, key=place)


def all_shards(config: RecordsConfig) -> list[ShardId]:
    """Every shard of the set, including those that get no entry."""
    return [(split, shard) for split in SPLITS for shard in range(config.shards.of(split))]
