"""A receipt, written after the files of a group of entries. A rerun keeps only the files that have one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from beam_jobs.job import storage
from pipeline.errors import UserError
from pipeline.files import hash_stream
from pipeline.records.manifest import Shard
from pipeline.records.statistics import Statistics
from pipeline.typed_json import (
    Count,
    Fingerprint,
    canonical_json,
    from_dict,
    parse_json,
    to_dict,
    with_checksum,
    without_checksum,
)

RECEIPT_BYTES = 1 << 25  # of a receipt, at most: 200,000 rejected images


class Rejection(Struct, frozen=True, forbid_unknown_fields=True):
    """An image or a box that was left out, and why."""

    key: str
    what: Literal["image", "box"]
    reason: str


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the job knows about the finished files of a group of entries: one shard for each pass."""

    fingerprint: Fingerprint  # of configuration, source and libraries
    shards: Annotated[tuple[Shard, ...], Meta(min_length=1)]
    begins: tuple[tuple[Count, ...], ...]  # of each shard, the byte at which each record's frame begins
    statistics: Statistics
    rejected: tuple[Rejection, ...]

    def to_json(self) -> bytes:
        """One line of JSON with its own checksum."""
        return (canonical_json(with_checksum(to_dict(self))) + "\n").encode()

    @property
    def name(self) -> str:
        """The name of its file."""
        return name_receipt(self.shards[0].name)


def list_rejections(receipts: Iterable[Receipt]) -> list[str]:
    """The lines of rejected.jsonl: what was left out according to the receipts, sorted."""
    return sorted(canonical_json(to_dict(rejection)) for receipt in receipts for rejection in receipt.rejected)


def format_rejections(lines: list[str]) -> bytes:
    """The content of rejected.jsonl."""
    return "".join(line + "\n" for line in lines).encode()


def name_receipt(shard_name: str) -> str:
    """The file name of a shard's receipt, in the folder `receipts`."""
    return shard_name.removesuffix(".tfrecord") + ".json"


def parse_receipt(text: bytes) -> Receipt | None:
    """Reads a receipt. Returns None if it is not whole."""
    try:
        return from_dict(Receipt, without_checksum(parse_json(text, where="receipt"), where="receipt"), where="receipt")
    except UserError:
        return None


def has_file(shard: Shard, path: str) -> bool:
    """Whether the file at `path` is, byte for byte, the shard."""
    if storage.size(path) != shard.bytes:
        return False
    with storage.open_file(path) as file:
        return hash_stream(file).hex() == shard.sha256
