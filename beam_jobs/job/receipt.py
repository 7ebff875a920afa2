"""A shard's receipt, written after the shard. A rerun keeps only the shards that have one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from beam_jobs.job import storage
from pipeline.config.field_types import Fingerprint, Sha256
from pipeline.config.plain import canonical_json, check_checksum, checksum, from_dict, parse_json
from pipeline.errors import UserError
from pipeline.files import stream_sha256
from pipeline.records.manifest import Shard
from pipeline.records.statistics import Statistics

RECEIPT_BYTES = 1 << 25  # of a receipt, at most: 200,000 rejected images


@dataclass(frozen=True)
class Rejection:
    """An image or a box that was left out, and why."""

    key: str
    what: Literal["image", "box"]
    reason: str


def rejected_lines(receipts: Iterable[Receipt]) -> list[str]:
    """The lines of rejected.jsonl: what was left out according to the receipts, sorted."""
    return sorted(canonical_json(vars(rejection)) for receipt in receipts for rejection in receipt.rejected)


def rejected_text(lines: list[str]) -> bytes:
    """The content of rejected.jsonl."""
    return "".join(line + "\n" for line in lines).encode()


@dataclass(frozen=True)
class StoredReceipt:
    """The fields of a receipt's file."""

    fingerprint: Fingerprint
    shard: Shard
    statistics: Statistics
    rejected: tuple[Rejection, ...]
    checksum: Sha256


@dataclass(frozen=True)
class Receipt:
    """What the job knows about a finished shard."""

    fingerprint: str  # of configuration, source and libraries
    shard: Shard
    statistics: dict[str, Any]  # as `Statistics` has it
    rejected: tuple[Rejection, ...]

    def to_json(self) -> bytes:
        """One line of JSON with its own checksum."""
        values = {
            "fingerprint": self.fingerprint,
            "shard": vars(self.shard),
            "statistics": self.statistics,
            "rejected": [vars(r) for r in self.rejected],
        }
        return (canonical_json({**values, "checksum": checksum(values)}) + "\n").encode()


def receipt_name(shard_name: str) -> str:
    """The file name of a shard's receipt, in the folder `receipts`."""
    return shard_name.removesuffix(".tfrecord") + ".json"


def parse_receipt(text: bytes) -> Receipt | None:
    """Reads a receipt. Returns None if it is not whole."""
    try:
        values = parse_json(text, where="receipt")
        stored = from_dict(StoredReceipt, values, where="receipt")
        check_checksum(values, where="receipt")
    except UserError:
        return None
    return Receipt(stored.fingerprint, stored.shard, values["statistics"], stored.rejected)


def holds(receipt: Receipt, fingerprint: str, path: str) -> bool:
    """Whether the file at `path` is, byte for byte, the shard of this receipt, and of this fingerprint."""
    if receipt.fingerprint != fingerprint or storage.size(path) != receipt.shard.bytes:
        return False
    with storage.open_file(path) as file:
        return stream_sha256(file).hex() == receipt.shard.sha256
