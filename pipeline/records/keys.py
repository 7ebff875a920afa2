"""Record keys, and the stable hashes of them that decide split, shard and order."""

from __future__ import annotations

import hashlib


def make_record_key(split: str, source_id: str, copy: int) -> str:
    """The unique key of a record: `<split>/<source id>/<copy>`."""
    return f"{split}/{source_id}/{copy}"


def split_of(key: str) -> str:
    """The split of a record, which its key begins with."""
    return key.partition("/")[0]


def parse_source_id(key: str) -> str:
    """The source id of a record's image, which its key holds."""
    return key.partition("/")[2].rpartition("/")[0]


def is_first_copy(key: str) -> bool:
    """Whether a record is the first one of its image."""
    return key.endswith("/0")


def hash63(text: str) -> int:
    """A hash in [0, 2^63), so that it fits Beam's coder of signed 64-bit integers."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def is_chosen(source_id: str, fraction: float, purpose: str) -> bool:
    """Whether a source id is in the given fraction. The answer depends on the id and the purpose alone."""
    return hash63(f"{purpose}/{source_id}") < int(fraction * 2**63)


def name_shard(split: str, fingerprint: str, shard: int, shards: int) -> str:
    """The file name of a shard: `<split>-<fingerprint>-00000-of-00016.tfrecord`."""
    return f"{split}-{fingerprint}-{shard:05d}-of-{shards:05d}.tfrecord"
