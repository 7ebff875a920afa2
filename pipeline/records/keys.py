"""Record keys, and the stable hashes that choose split, shard and order from them."""

from __future__ import annotations

import hashlib


def record_key(split: str, source_id: str, copy: int) -> str:
    """The unique key of an example: `<split>/<source id>/<copy>`."""
    return f"{split}/{source_id}/{copy}"


def hash63(text: str) -> int:
    """A hash in [0, 2^63): Beam's integer coder takes signed 64-bit numbers."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def chosen(source_id: str, fraction: float, purpose: str) -> bool:
    """Whether a source id belongs to the given fraction. One id, one answer, for each purpose."""
    return hash63(f"{purpose}/{source_id}") < int(fraction * 2**63)


def shard_name(split: str, fingerprint: str, shard: int, shards: int) -> str:
    """The file name of a shard: `<split>-<fingerprint>-00000-of-00016.tfrecord`."""
    return f"{split}-{fingerprint}-{shard:05d}-of-{shards:05d}.tfrecord"
