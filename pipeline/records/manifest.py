"""manifest.json: what makes a record set exist. It is written last, and checked before anything else is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

from pipeline.compositions.view import Shape
from pipeline.config.records_config import SPLITS, RecordsConfig
from pipeline.errors import UserError, require_utf8, show_value
from pipeline.files import hash_file, read_regular
from pipeline.geometry.anchors import Anchors
from pipeline.geometry.matching import MatchingConfig
from pipeline.records.statistics import Statistics
from pipeline.typed_json import (
    JSON_BYTES,
    Count,
    FileName,
    Fingerprint,
    Name,
    Sha256,
    Text,
    from_dict,
    parse_json,
    to_dict,
    with_checksum,
    without_checksum,
)

FORMAT_VERSION = 3
MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
WAY_OUT = "run its `make records` command again"

MAX_CLASSES = 10_000

T = TypeVar("T")


class Shard(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of records."""

    name: FileName
    examples: Count
    bytes: Count
    sha256: Sha256


class BySplit(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """Something of each split."""

    train: T
    val: T
    test: T

    def __getitem__(self, split: str) -> T:
        found: T = getattr(self, split)
        return found


class Rejected(Struct, frozen=True, forbid_unknown_fields=True):
    """How many images and boxes were rejected, and the file that lists them."""

    images: Count
    boxes: Count
    images_seen: Count
    boxes_seen: Count
    file: FileName
    sha256: Sha256


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole record set: what it was made from, and its shards. All but `folder` is stored."""

    folder: str
    fingerprint: Fingerprint  # of configuration, source and libraries
    config: RecordsConfig
    anchors: Anchors
    class_names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
    category_ids: tuple[Count, ...] | None  # the source's own numbers of the classes, if it has any
    # The source's values that became 0 and 255; None: 8 bits as they are, of 16 bits the upper 8.
    value_range: tuple[int, int] | None = None
    passes: BySplit[Annotated[tuple[tuple[Shard, ...], ...], Meta(min_length=1)]]  # shards of each pass over a split
    statistics: BySplit[Statistics]
    rejected: Rejected
    versions: dict[Text, Text]  # of libraries

    @property
    def matching(self) -> MatchingConfig:
        """The rules that the targets were matched with."""
        return self.config.matching

    @property
    def canvas(self) -> Shape:
        """Height and width of the canvases, pixels."""
        return self.config.canvas

    @property
    def background(self) -> int:
        """The class of anchors without an object: the index after the last class."""
        return len(self.class_names)

    def shards(self, split: str, number: int = 0) -> tuple[Shard, ...]:
        """The shards of a pass over a split."""
        return self.passes[split][number]

    def all_shards(self) -> list[Shard]:
        """Every shard of the set."""
        return [shard for split in SPLITS for shards in self.passes[split] for shard in shards]

    def examples(self, split: str) -> int:
        """The number of records in each pass over a split."""
        return sum(shard.examples for shard in self.shards(split))

    def to_json(self) -> str:
        """The text of manifest.json. Its last field is the checksum of all others."""
        values = {"format_version": FORMAT_VERSION, **to_dict(self)}
        del values["folder"]
        return json.dumps(with_checksum(values), indent=1) + "\n"


def parse_manifest(text: bytes, *, folder: str) -> Manifest:
    """Reads the text of a manifest. Raises `UserError` if it is altered, incomplete or of another format."""
    where = f"{folder}/{MANIFEST}"
    try:
        values = parse_json(text, where=where)
        if not isinstance(values, dict) or "format_version" not in values:
            raise UserError(f"{where} is not a manifest of prematch")
        version = values["format_version"]
        if version in (1, 2):
            raise UserError(f"{where} has format version {version}, of an earlier prematch; this one reads version 3")
        if version != FORMAT_VERSION:
            raise UserError(f"{where} has format version {show_value(version)}; this prematch reads version 3")
        stored: dict[str, Any] = without_checksum(values, where=where)
        del stored["format_version"]
        return from_dict(Manifest, {**stored, "folder": folder}, where=where)
    except UserError as error:
        raise UserError(f"{error}; {WAY_OUT}") from None


def load_manifest(folder: str) -> Manifest:
    """Reads a record set's manifest and checks that every shard is there at its full size.

    Raises `UserError` if the set is missing, unfinished, altered or of another format, or its path is not in UTF-8.
    """
    require_utf8("--records", folder)
    path = Path(folder) / MANIFEST
    if not path.is_file():
        if any(Path(folder).glob("*.tfrecord")) or any(Path(folder).glob(".attempt-*")):
            raise UserError(f"{path} is missing: the job did not finish; {WAY_OUT}")
        raise UserError(
            f"{folder} is no record set: it has no {MANIFEST}; make one with `make records CONFIG=... RECORDS={folder}`"
        )
    manifest = parse_manifest(read_regular(path, limit=JSON_BYTES), folder=str(folder))
    for shard in manifest.all_shards():
        file = Path(folder) / shard.name
        if not file.is_file():
            raise UserError(f"{file} is missing, although the manifest lists it; {WAY_OUT}")
        if file.stat().st_size != shard.bytes:
            raise UserError(f"{file} must have {shard.bytes} bytes, got {file.stat().st_size}; {WAY_OUT}")
    return manifest


def check_shards(manifest: Manifest, split: str) -> None:
    """Compares the SHA-256 of every shard of a split. Raises `UserError` that names the first altered one."""
    for shard in (shard for shards in manifest.passes[split] for shard in shards):
        path = Path(manifest.folder) / shard.name
        if hash_file(path) != shard.sha256:
            raise UserError(f"{path} was altered: its SHA-256 is not {shard.sha256}; {WAY_OUT}")
