"""Keys of records, the stable hashes of them that decide split, shard and order, and ids of images as text."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re

from pipeline.errors import show_value

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,999}")


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


class BrokenImageId(ValueError):
    """A text that is not the text of any id."""


def format_image_id(image_id: int | str) -> str:
    """An id as text: a number in decimals; a string as it is, or in JSON's quotes if it would read as a number."""
    if isinstance(image_id, int):
        return str(image_id)
    return json.dumps(image_id) if not image_id or _NUMBER.fullmatch(image_id) or image_id[0] == '"' else image_id


def parse_image_id(text: str) -> int | str:
    """The inverse of `format_image_id`. Raises `BrokenImageId` for a text that it does not give."""
    if _NUMBER.fullmatch(text):
        return int(text)
    image_id: str | None = None
    with contextlib.suppress(ValueError):
        image_id = str(json.loads(text)) if text.startswith('"') else text
    if image_id is None or format_image_id(image_id) != text:
        raise BrokenImageId(f"must be a number, or a string as the job writes it, got {show_value(text)}")
    return image_id
