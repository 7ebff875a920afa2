"""Records with one feature altered and right checksums: `verify` finds each, and no command fails but in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.records.packed_view import pack_view, unpack_view
from pipeline.records.record import TRUTH, VIEWS, decode_record
from pipeline.records.tf_example import decode_example
from tests.faults.forging.altered_record import RecordAlteration, choose_alterations, same_meaning
from tests.faults.forging.campaign import Campaign
from tests.faults.forging.packed_fields import COLUMNS, ROWS, fields_of, packed
from tests.faults.repetitions import repetitions

RECORDS = repetitions(full=1000, short=40)


def replaced(at: int, altered: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Puts a record in place of another."""
    return lambda records: [*records[:at], altered, *records[at + 1 :]]


def test_forged_records(campaign: Campaign) -> None:
    campaign.begin()
    forged = campaign.forged
    shards = {
        split: [s["name"] for s in forged.manifest["shards"][split] if s["examples"]] for split in ("train", "test")
    }
    for number, alteration in enumerate(choose_alterations(forged.records(shards["train"][0])[0], RECORDS)):
        # Of the first training record, which is drawn and trained on, and of a test record, which is evaluated.
        changed, naming = {}, []
        for split, names in shards.items():
            name = names[0]
            records = forged.records(name)
            at = 0 if split == "train" else number % len(records)
            altered = alteration.apply(records[at])
            if altered != records[at]:
                changed[name] = replaced(at, altered)
                if not same_meaning(records[at], altered):
                    naming.append(f"{name}: ")
        forged.write_records(changed)
        campaign.try_tools(f"record {number}, {alteration}", must_report=bool(naming), naming=naming)
    campaign.end("records")


def test_what_is_forged_is_what_was_asked_for(campaign: Campaign) -> None:
    record = campaign.forged.records(campaign.forged.manifest["shards"]["train"][0]["name"])[0]
    alterations = choose_alterations(record, 1000)
    assert len(alterations) == len(set(alterations)) == 1000
    assert all(alteration.apply(record) != record for alteration in alterations if alteration.kind != "cut")
    pixels = RecordAlteration("image/encoded", "another end")
    assert same_meaning(record, pixels.apply(record))
    assert not same_meaning(record, RecordAlteration("image/key", "another end").apply(record))
    forged = {(a.part, a.field) for a in alterations if a.feature == VIEWS and a.part is not None}
    assert {a.field for a in alterations if a.feature == TRUTH} == {"", "objects", *COLUMNS}
    views = decode_example(record)[VIEWS]
    assert len(views) == 3 and forged == {(k, f) for k in (0, 2) for f in ("", *fields_of(views[0]), *ROWS)}
    assert all(packed(fields_of(view)) == view == pack_view(unpack_view(view)) for view in views)
    moved = RecordAlteration(VIEWS, "the last one more", part=2, field="place")
    assert not same_meaning(record, moved.apply(record))
    (before, after) = (decode_record(data).views[2].view.place for data in (record, moved.apply(record)))
    assert after == replace(before, width=before.width + 1)
