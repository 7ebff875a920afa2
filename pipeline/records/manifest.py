"""manifest.json: what makes a record set exist. Written last, by rename, and checked before anything is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.plain import checksum, from_dict, to_dict
from pipeline.config.records_config import MatchingConfig, RecordsConfig
from pipeline.errors import UserError
from pipeline.files import file_sha256
from pipeline.geometry.anchors import Anchors, anchors_from_dict

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
WAY_OUT = "run its `make records` command again"


@dataclass(frozen=True)
class Shard:
    """A file of records, as the manifest names it."""

    name: str
    examples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A whole record set: its folder, what it was made from, and its shards by split."""

    folder: str
    fingerprint: str  # of configuration, source and libraries
    config: RecordsConfig
    anchors: Anchors
    class_names: tuple[str, ...]
    shards: dict[str, tuple[Shard, ...]]  # by split
    statistics: dict[str, Any]  # by split
    rejected: dict[str, Any]  # counts, and the checksum of rejected.jsonl
    versions: dict[str, str]

    @property
    def matching(self) -> MatchingConfig:
        """The thresholds that the targets were matched with."""
        return self.config.matching

    @property
    def canvas_size(self) -> int:
        """Height and width of the pictures, pixels."""
        return self.config.canvas.size

    @property
    def background(self) -> int:
        """The class of anchors without an object: the index after the last class."""
        return len(self.class_names)

    def examples(self, split: str) -> int:
        """Records of a split."""
        return sum(shard.examples for shard in self.shards[split])

    def to_json(self) -> str:
        """The text of manifest.json, with the checksum of all the rest as its last word."""
        values: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "config": to_dict(self.config),
            "anchors": self.anchors.to_dict(),
            "matching": to_dict(self.matching),
            "class_names": list(self.class_names),
            "shards": {split: [vars(s) for s in shards] for split, shards in self.shards.items()},
            "statistics": self.statistics,
            "rejected": self.rejected,
            "versions": self.versions,
        }
        values["checksum"] = checksum(values)
        return json.dumps(values, indent=1) + "\n"


def parse_manifest(text: str | bytes, *, folder: str) -> Manifest:
    """Reads the text of a manifest. Raises `UserError` where it is altered, half-written or of another format."""
    where = f"{folder}/{MANIFEST}"
    try:
        values = json.loads(text)
        version = values["format_version"]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{where} must be a prematch manifest, got something else or a part of one; {WAY_OUT}"
        ) from None
    if version != FORMAT_VERSION:
        raise UserError(f"{where} must be of format version {FORMAT_VERSION}, got {version!r}; "
                        f"{WAY_OUT} with this prematch, or use the one that wrote it")  # fmt: skip
    stated = values.pop("checksum", None)
    if stated != checksum(values):
        raise UserError(f"{where} must have the checksum {checksum(values)}, got {stated!r}: it was altered; {WAY_OUT}")
    try:
        anchors = anchors_from_dict(values["anchors"], where=f"{where}: anchors")
        config = from_dict(RecordsConfig, values["config"], where=f"{where}: config")
        return Manifest(
            folder=folder,
            fingerprint=values["fingerprint"],
            config=config,
            anchors=anchors,
            class_names=tuple(values["class_names"]),
            shards={split: tuple(Shard(**s) for s in shards) for split, shards in values["shards"].items()},
            statistics=values["statistics"],
            rejected=values["rejected"],
            versions=values["versions"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{where} must hold all parts of a manifest, got {type(error).__name__}: {error}; "
                        f"{WAY_OUT}") from None  # fmt: skip


def load_manifest(folder: str) -> Manifest:
    """Reads a record set's manifest and checks that every shard is there at its full size.

    Raises `UserError` where the set is missing, unfinished, altered or of another format.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        if any(Path(folder).glob("*.tfrecord")) or any(Path(folder).glob(".attempt-*")):
            raise UserError(f"{path} must be there, got record files without it: the job did not finish; {WAY_OUT}")
        raise UserError(f"{folder} must be a record set, got no {MANIFEST} there; "
                        f"make one with `make records CONFIG=... RECORDS={folder}`")  # fmt: skip
    manifest = parse_manifest(path.read_bytes(), folder=str(folder))
    for shard in (s for shards in manifest.shards.values() for s in shards):
        file = Path(folder) / shard.name
        if not file.is_file():
            raise UserError(f"{file} must be there, the manifest names it, got no such file; {WAY_OUT}")
        if file.stat().st_size != shard.bytes:
            raise UserError(f"{file} must have {shard.bytes} bytes, got {file.stat().st_size}; {WAY_OUT}")
    return manifest


def check_shards(manifest: Manifest, split: str, progress: Callable[[Shard], None] | None = None) -> None:
    """Compares every shard of a split with its SHA-256. Raises `UserError` naming the first that was altered."""
    for shard in manifest.shards[split]:
        path = Path(manifest.folder) / shard.name
        if file_sha256(path) != shard.sha256:
            raise UserError(f"{path} must have the SHA-256 {shard.sha256}, got another: it was altered; {WAY_OUT}")
        if progress is not None:
            progress(shard)
