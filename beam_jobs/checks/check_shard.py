"""Checks one shard: its bytes, its frames, and every record in it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beam_jobs.checks.make_again import compare_targets, compare_views, lay_out_again, match_again
from beam_jobs.job.receipt import RECEIPT_BYTES, name_receipt, parse_receipt
from beam_jobs.job.record_folder import RECEIPTS
from pipeline.compositions.composition import MAX_OBJECTS
from pipeline.config.records_config import SPLITS
from pipeline.errors import make_printable
from pipeline.files import hash_file, open_regular, read_regular
from pipeline.records.keys import hash63, is_chosen, is_first_copy
from pipeline.records.manifest import Manifest, Shard
from pipeline.records.read_records import find_box_faults, find_faults
from pipeline.records.record import DRAWN, Record, decode_record, encode_record
from pipeline.records.statistics import StatisticsCounter
from pipeline.records.tfrecord import FRAME_BYTES, BrokenFrame, read_frames

_SHOWN = 200  # characters of a key
MAX_FINDINGS = 1000  # per shard; nobody needs more


@dataclass(frozen=True)
class ShardCheck:
    """A shard to check. It is pickled to reach a process."""

    manifest: Manifest
    split: str
    number: int
    share: float  # of the records, chosen by hash of the key, that are matched again

    @property
    def shard(self) -> Shard:
        """The shard as the manifest describes it."""
        return self.manifest.shards(self.split)[self.number]


@dataclass(frozen=True)
class ShardFindings:
    """What is wrong with a shard, and what must be compared with other shards."""

    split: str
    name: str
    findings: list[str]  # each names the shard, and the record and its key if it has one
    records: int
    matched: int
    image_ids: NDArray[np.int64]  # [records] hash of the id of each, or -1: it has none, or is a copy of another record


def make_shard_checks(manifest: Manifest, sample: int | None) -> list[ShardCheck]:
    """A check of every shard. About `sample` records of each split are matched again, or all for None."""
    checks = []
    for split in SPLITS:
        examples = manifest.examples(split)
        share = 1.0 if sample is None or sample >= examples else sample / examples
        checks += [ShardCheck(manifest, split, number, share) for number in range(len(manifest.shards(split)))]
    return checks


def check_shard(check: ShardCheck) -> ShardFindings:
    """Checks size, SHA-256 and frames of a shard, and every record that can still be read."""
    shard = check.shard
    path = Path(check.manifest.folder) / shard.name
    records = _Records(check)
    try:
        size, digest = path.stat().st_size, hash_file(path)
        if size != shard.bytes:
            records.add(f"must have {shard.bytes} bytes, got {size}")
        if digest != shard.sha256:
            records.add(f"must have the SHA-256 {shard.sha256}, got {digest}")
        with open_regular(path) as file:
            for serialized in read_frames(file, size):
                records.check(serialized)
    except BrokenFrame as error:
        records.add(str(error))
    except OSError as error:
        records.add(f"cannot be read: {error.strerror or error}")
        return records.summary()
    if records.count != shard.examples:
        records.add(f"must hold {shard.examples} records, got {records.count}")
    records.compare_receipt()
    return records.summary()


class _Records:
    """Checks the records of a shard one after the other."""

    def __init__(self, check: ShardCheck) -> None:
        self.findings: list[str] = []
        self.count = self.matched = self._size = 0
        self._begins = array("Q")  # of each record's frame, the first byte
        self._check = check
        self._last = (-1, "")  # hash and key of the record before
        self._image_ids = array("q")
        manifest = check.manifest
        self._counted = StatisticsCounter(manifest.background, manifest.anchors, manifest.matching.positive_iou)

    def summary(self) -> ShardFindings:
        """What was found."""
        shard, ids = self._check.shard, np.array(self._image_ids, np.int64)
        return ShardFindings(self._check.split, shard.name, self.findings, self.count, self.matched, ids)

    def add(self, finding: str) -> None:
        """Adds a finding, unless there are `MAX_FINDINGS` already."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(f"{self._check.shard.name}: {finding}")

    def check(self, serialized: bytes) -> None:
        """Checks the next record."""
        where = f"record {self.count}"
        self.count += 1
        self._begins.append(self._size)
        self._size += len(serialized) + FRAME_BYTES
        self._image_ids.append(-1)
        try:
            record = decode_record(serialized)
        except ValueError as error:
            self.add(f"{where}: {error}")
            return
        where += f" ({make_printable(record.key[:_SHOWN])})"
        if record.drawn[0].image_id is not None and is_first_copy(record.key):
            self._image_ids[-1] = hash63(record.drawn[0].image_id)
        manifest = self._check.manifest
        faults = list(find_faults(record, manifest, self._check.split))
        for fault in (*faults, *self._find_storage_faults(record, serialized)):
            self.add(f"{where}: {fault}")
        if self._is_chosen(record.key):
            for fault in self._make_again(record, whole=not faults):
                self.add(f"{where}: {fault}")

    def compare_receipt(self) -> None:
        """Compares the shard's receipt with its records: where they begin, and their statistics if all were matched."""
        if self.findings:
            return
        name = name_receipt(self._check.shard.name)
        try:
            text = read_regular(Path(self._check.manifest.folder) / RECEIPTS / name, limit=RECEIPT_BYTES)
        except OSError:
            return  # `check_receipts` names what is wrong with it
        receipt = parse_receipt(text)
        if receipt is None:
            return
        if receipt.begins[:1] != (tuple(self._begins),):
            self.add("its records begin elsewhere than its receipt says")
        if self.matched == self.count and receipt.statistics != (counted := self._counted.total()):
            fields = [f for f in counted.__struct_fields__ if getattr(receipt.statistics, f) != getattr(counted, f)]
            expected, got = ({f: getattr(of, f) for f in fields} for of in (counted, receipt.statistics))
            self.add(f"statistics in its receipt must be {expected} by its records, got {got}")

    def _make_again(self, record: Record, *, whole: bool) -> Iterator[str]:
        """How a record differs from one laid out and matched from scratch.

        A record with other faults is only matched again, and only if its boxes allow it.
        """
        manifest = self._check.manifest
        if any(fault for view in record.views for fault in find_box_faults(view, manifest.background)):
            return
        self.matched += 1
        objects = max(len(record.truth or ()), *(len(view.boxes) for view in record.views))
        if objects > MAX_OBJECTS:  # the job writes no such record
            yield f"boxes must be few enough to be matched, at most {MAX_OBJECTS}, got {objects}"
            return
        layout = lay_out_again(record, manifest) if whole else None
        if whole and layout is None:
            yield f"{DRAWN} must name as many images as its random bits ask for, got {len(record.drawn)}"
        fresh = match_again(record, manifest, layout)
        self._counted.add(record, [matches for _, matches in fresh])
        yield from compare_targets(record, [targets for targets, _ in fresh])
        if layout is not None:
            yield from compare_views(record, layout)

    def _is_chosen(self, key: str) -> bool:
        return self._check.share >= 1.0 or is_chosen(key, self._check.share, "verify")

    def _find_storage_faults(self, record: Record, serialized: bytes) -> Iterator[str]:
        """What is wrong with where and how a record is stored."""
        order = (hash63(record.key), record.key)
        if order <= self._last:
            yield f"must come after {make_printable(self._last[1][:_SHOWN])}, by the hash of its key, and only once"
        self._last = order
        if (number := order[0] % len(self._check.manifest.shards(self._check.split))) != self._check.number:
            yield f"key must be in shard {number} by its hash, got shard {self._check.number}"
        if encode_record(record) != serialized:
            yield "has other bytes than its fields give"
