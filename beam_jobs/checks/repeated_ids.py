"""Finds images of a split that have the same image id: an evaluation would mix up their objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beam_jobs.checks.check_shard import MAX_FINDINGS, ShardFindings
from pipeline.config.records_config import SPLITS
from pipeline.records.record import IMAGE_ID


def find_repeated_ids(shards: Sequence[ShardFindings]) -> list[str]:
    """What is wrong with the image ids of a set: each finding names a record and an earlier one of the same id.

    Only hashes of ids are compared, which takes 8 bytes a record. Of a hundred million different ids, the chance that
    two have the same hash is one in 2,000.

    Args:
        shards: all of the set, in any order.

    Returns:
        At most `MAX_FINDINGS` findings a split.
    """
    ordered = sorted(shards, key=lambda found: found.name)
    return [
        finding for split in SPLITS for finding in _find_repeated([found for found in ordered if found.split == split])
    ]


def _find_repeated(shards: list[ShardFindings]) -> list[str]:
    """The findings of one split."""
    if not shards:
        return []
    hashes = np.concatenate([found.image_ids for found in shards])
    ends = np.cumsum([len(found.image_ids) for found in shards])

    def place(row: int) -> tuple[str, int]:
        shard = int(np.searchsorted(ends, row, side="right"))
        return shards[shard].name, row - int(ends[shard]) + len(shards[shard].image_ids)

    order = np.argsort(hashes, kind="stable")  # equal ones stay in the order of the records
    same = (hashes[order[1:]] == hashes[order[:-1]]) & (hashes[order[1:]] >= 0)
    findings = []
    for at in np.flatnonzero(same)[:MAX_FINDINGS].tolist():
        (first_shard, first), (name, number) = place(int(order[at])), place(int(order[at + 1]))
        other = f"record {first} of {first_shard}"
        findings.append(f"{name}: record {number}: {IMAGE_ID} is that of {other} too; ids must differ within a split")
    return findings
