"""Receipts: read back whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from beam_jobs.job.receipt import Receipt, Rejection, parse_receipt
from pipeline.geometry.anchors import Anchors, FeatureMap
from pipeline.records.manifest import Shard
from pipeline.records.statistics import StatisticsCounter
from pipeline.typed_json import canonical_json, checksum

RECEIPT = Receipt(
    fingerprint="0123",
    shards=(Shard("train-0123-00000-of-00001.tfrecord", 0, 0, "0" * 64),),
    begins=((),),
    statistics=StatisticsCounter(2, Anchors((FeatureMap((1, 1), ((0.5, 0.5),)),)), 0.5).total(),
    rejected=(Rejection("train/a\n/0", "image", "it is no image"),),
)


def test_a_receipt_is_read_back_whole() -> None:
    assert parse_receipt(RECEIPT.to_json()) == RECEIPT


def test_every_cut_is_refused() -> None:
    whole = RECEIPT.to_json().rstrip()
    assert [parse_receipt(whole[:end]) for end in range(len(whole))] == [None] * len(whole)


@pytest.mark.parametrize("text", [b"[]", b"\xff", b"[" * 200_000, b'{"checksum": NaN}', b'"checksum"'])
def test_something_else_is_refused(text: bytes) -> None:
    assert parse_receipt(text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("rejected"),
        lambda v: v.update(more=1),
        lambda v: v.update(statistics={}),
        lambda v: v["statistics"].update(boxes="0"),
        lambda v: v["statistics"].update(boxes=10**300),
        lambda v: v["shards"].clear(),
        lambda v: v["shards"][0].update(name="../elsewhere"),
        lambda v: v["shards"][0].update(bytes=1e300),
        lambda v: v["begins"][0].append(-1),
        lambda v: v["rejected"][0].update(what="anything"),
    ],
)
def test_a_forged_receipt_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(RECEIPT.to_json())
    del values["checksum"]
    change(values)
    assert parse_receipt((canonical_json({**values, "checksum": checksum(values)}) + "\n").encode()) is None
