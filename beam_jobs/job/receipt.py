"""A shard's receipt: written after its bytes, and the only thing that lets a rerun keep them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from beam_jobs.job import storage
from pipeline.config.plain import canonical_json, checksum
from pipeline.records.manifest import Shard


@dataclass(frozen=True)
class Rejection:
    """A picture or a box that was left out, and why."""

    key: str
    what: str  # "picture" or "box"
    reason: str


def rejected_lines(receipts: Iterable[Receipt]) -> list[str]:
    """The lines of rejected.jsonl: what the receipts say was left out, sorted."""
    return sorted(canonical_json(vars(rejection)) for receipt in receipts for rejection in receipt.rejected)


def rejected_text(lines: list[str]) -> bytes:
    """The content of rejected.jsonl."""
    return "".join(line + "\n" for line in lines).encode()


@dataclass(frozen=True)
class Receipt:
    """What the job knows of a finished shard."""

    fingerprint: str  # of configuration, source and libraries
    shard: Shard
    statistics: dict[str, Any]
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
    """Reads a receipt; None if it is not whole."""
    try:
        values = json.loads(text)
        if values.pop("checksum") != checksum(values):
            return None
        rejected = tuple(Rejection(**r) for r in values["rejected"])
        return Receipt(values["fingerprint"], Shard(**values["shard"]), values["statistics"], rejected)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def holds(receipt: Receipt, fingerprint: str, path: str) -> bool:
    """Whether the file at `path` is the very shard that the receipt was given for, under this fingerprint."""
    if receipt.fingerprint != fingerprint or storage.size(path) != receipt.shard.bytes:
        return False
    digest = hashlib.sha256()
    with storage.open_file(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == receipt.shard.sha256
