"""Records with one feature altered and right checksums: `verify` finds each, and no command fails but in one line."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.forging.altered_record import RecordAlteration, choose_alterations, same_meaning
from tests.faults.forging.campaign import Campaign
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
