"""The test split of a set that has none of its own: a share of train, by hash of the source id."""

from __future__ import annotations

from beam_jobs.sources.source import Item
from pipeline.errors import UserError
from pipeline.records.keys import chosen

DEFAULT_FRACTION = 0.1


def fraction_for_test(has_test: bool, given: float | None) -> float:
    """The share of train that becomes the test split. Raises `UserError` if it is given beside a test split."""
    if has_test and given is not None:
        raise UserError("--test_fraction must be left out: the source has a test split of its own")
    return 0.0 if has_test else DEFAULT_FRACTION if given is None else given


def split_item(item: Item, test_fraction: float) -> Item:
    """An item of train goes to test if the hash of its source id says so."""
    if item.split == "train" and chosen(item.source_id, test_fraction, "test"):
        return item._replace(split="test")
    return item
