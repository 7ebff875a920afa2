"""The check of one shard: its bytes, its frames, and each of its records by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.records_config import SPLITS
from pipeline.files import file_sha256
from pipeline.geometry.targets import encode_targets
from pipeline.records.check_record import record_faults
from pipeline.records.keys import chosen, hash63
from pipeline.records.manifest import Manifest, Shard
from pipeline.records.record import Record, decode_record, encode_record
from pipeline.records.tfrecord import BrokenFrame, read_frames


@dataclass(frozen=True)
class ShardCheck:
    """What is to be checked. Travels to a process by pickling."""

    manifest: Manifest
    split: str
    number: int
    share: float  # of the records, chosen by hash of the key, that are matched afresh

    @property
    def shard(self) -> Shard:
        """As the manifest names it."""
        return self.manifest.shards[self.split][self.number]


@dataclass(frozen=True)
class ShardFindings:
    """What was found in a shard."""

    findings: list[str]  # each names shard, and record and key where there is one
    records: int
    matched: int


def shard_checks(manifest: Manifest, sample: int | None) -> list[ShardCheck]:
    """One check for every shard; about `sample` records of each split are matched afresh, all for None."""
    checks = []
    for split in SPLITS:
        examples = manifest.examples(split)
        share = 1.0 if sample is None or sample >= examples else sample / examples
        checks += [ShardCheck(manifest, split, number, share) for number in range(len(manifest.shards[split]))]
    return checks


def check_shard(check: ShardCheck) -> ShardFindings:
    """Checks presence, size, SHA-256 and framing of a shard, and every record that can still be read."""
    shard = check.shard
    path = Path(check.manifest.folder) / shard.name
    try:
        size, digest = path.stat().st_size, file_sha256(path)
    except OSError as error:
        return ShardFindings([f"{shard.name}: must be there, got {error.strerror or error}"], 0, 0)
    findings = []
    if size != shard.bytes:
        findings.append(f"{shard.name}: must have {shard.bytes} bytes, got {size}")
    if digest != shard.sha256:
        findings.append(f"{shard.name}: must have the SHA-256 {shard.sha256}, got {digest}")
    records = matched = 0
    last = (-1, "")
    try:
        with path.open("rb") as file:
            for index, serialized in enumerate(read_frames(file, size)):
                records += 1
                where = f"{shard.name}: record {index}"
                try:
                    record = decode_record(serialized)
                except ValueError as error:
                    findings.append(f"{where}: {error}")
                    continue
                where += f" ({record.key})"
                order = (hash63(record.key), record.key)
                if order <= last:
                    findings.append(f"{where}: must come after {last[1]}, by the hash of its key, and once")
                last = order
                faults = list(record_faults(record, check.manifest, check.split))
                findings += [f"{where}: {fault}" for fault in faults]
                findings += [f"{where}: {fault}" for fault in _storage_faults(check, record, serialized)]
                if faults:  # its boxes may be none that can be matched
                    continue
                if check.share >= 1.0 or chosen(record.key, check.share, "verify"):
                    matched += 1
                    findings += [f"{where}: {fault}" for fault in target_faults(check.manifest, record)]
    except BrokenFrame as error:
        findings.append(f"{shard.name}: {error}")
    if records != shard.examples:
        findings.append(f"{shard.name}: must hold {shard.examples} records, got {records}")
    return ShardFindings(findings, records, matched)


def _storage_faults(check: ShardCheck, record: Record, serialized: bytes) -> Iterator[str]:
    """What is wrong with where and how a record is stored."""
    if (number := hash63(record.key) % len(check.manifest.shards[check.split])) != check.number:
        yield f"key must lie in shard {number} by its hash, got shard {check.number}"
    if encode_record(record) != serialized:
        yield "record must be written as its fields are, got other bytes"


def target_faults(manifest: Manifest, record: Record) -> Iterator[str]:
    """Where the targets differ from a fresh matching of the record's own boxes."""
    fresh, _ = encode_targets(record.boxes, record.labels, anchors=manifest.anchors, matching=manifest.matching)
    for field in dataclasses.fields(fresh):
        expected, got = getattr(fresh, field.name), getattr(record.targets, field.name)
        close = expected.shape == got.shape and (
            bool(np.allclose(expected, got, rtol=0, atol=1e-6)) if field.name == "offsets" else (expected == got).all()
        )
        if not close:
            yield f"targets' {field.name} must be {_short(expected)} by a fresh matching, got {_short(got)}"


def _short(values: np.ndarray) -> str:
    return " ".join(str(values.tolist()).split())[:200]
