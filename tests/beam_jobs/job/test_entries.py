"""Entries, in the order of their shard's records."""

from __future__ import annotations

import random

from beam_jobs.job.entries import Entry, pack_entry, sort_entries, unpack_entry
from beam_jobs.sources.source import SourceBox
from pipeline.records.keys import hash63


def test_the_order_does_not_depend_on_the_order_in_which_entries_arrive() -> None:
    """Of two entries with one key the first becomes the record, so which is first must not depend on the workers."""
    box = SourceBox(1.0, 2.0, 3.0, 4.0, "cat")
    entries = [Entry(f"train/{name}/0", f"0:{name}", None, (box,)) for name in "abcdefgh"]
    again = entries[2]
    entries += [again._replace(boxes=(box._replace(xmax=9.0, area=3.5),)), again._replace(boxes=()), again]
    packed = [pack_entry(entry) for entry in entries]
    expected = [unpack_entry(entry) for entry in sort_entries(packed)]
    keys = [entry.key for entry in expected]
    assert keys == sorted(keys, key=hash63) and sorted(map(repr, expected)) == sorted(map(repr, entries))
    for seed in range(20):
        shuffled = random.Random(seed).sample(packed, len(packed))
        assert [unpack_entry(entry) for entry in sort_entries(shuffled)] == expected


def test_the_shuffle_keeps_every_value_that_annotations_can_hold() -> None:
    """JSON has integers beyond 64 bits, and a box with one must reach its rejection."""
    odd = (10**400, -(2**63), float("inf"), None, "7", True)
    boxes = tuple(SourceBox(value, 0.5, 3, 4.0, 3, area=value) for value in odd)  # type: ignore[arg-type]
    for entry in (
        Entry("train/a/0", "0:a", None, boxes, "7"),
        Entry("train/b/0", "b", 3, None),
        Entry("c", "c", None, ()),
    ):
        again = unpack_entry(pack_entry(entry))
        assert repr(again) == repr(entry) and type(again) is Entry
        assert all(type(box) is SourceBox for box in again.boxes or ())
