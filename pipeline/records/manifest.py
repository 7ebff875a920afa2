"""manifest.json: what makes a record set exist. It is written last, and checked before anything else is read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from pipeline.config.field_types import Count, FileName, Fingerprint, Name, Sha256, Text
from pipeline.config.plain import JSON_BYTES, check_checksum, checksum, from_dict, parse_json, to_dict
from pipeline.config.records_config import SPLITS, MatchingConfig, RecordsConfig
from pipeline.errors import UserError, require, require_utf8, shown
from pipeline.files import file_sha256, read_regular
from pipeline.geometry.anchors import Anchors, make_anchors
from pipeline.records.keys import shard_name
from pipeline.records.statistics import Statistics, check_statistics
from pipeline.records.tfrecord import FRAME_BYTES

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
WAY_OUT = "run its `make records` command again"

MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Shard:
    """A file of records, as the manifest describes it."""

    name: FileName
    examples: Count
    bytes: Count
    sha256: Sha256

    def __post_init__(self) -> None:
        most = self.bytes // FRAME_BYTES
        require(
            self.examples <= most, f"examples of {self.name}", f"at most {most} in {self.bytes} bytes", self.examples
        )


@dataclass(frozen=True)
class Manifest:
    """A whole record set: its folder, what it was made from, and its shards."""

    folder: str
    fingerprint: str  # of configuration, source and libraries
    config: RecordsConfig
    anchors: Anchors
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...] | None  # the source's own numbers of the classes, if it has any
    shards: dict[str, tuple[Shard, ...]]  # by split
    statistics: dict[str, Any]  # by split, each as `Statistics` has it
    rejected: dict[str, Any]  # as `Rejected` has it
    versions: dict[str, str]  # of libraries

    @property
    def matching(self) -> MatchingConfig:
        """The thresholds that the targets were matched with."""
        return self.config.matching

    @property
    def canvas_size(self) -> int:
        """Height and width of the canvases, pixels."""
        return self.config.canvas_size

    @property
    def background(self) -> int:
        """The class of anchors without an object: the index after the last class."""
        return len(self.class_names)

    def examples(self, split: str) -> int:
        """The number of records in a split."""
        return sum(shard.examples for shard in self.shards[split])

    def to_json(self) -> str:
        """The text of manifest.json. Its last field is the checksum of all others."""
        values: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "config": to_dict(self.config),
            "anchors": to_dict(self.anchors),
            "matching": to_dict(self.matching),
            "class_names": list(self.class_names),
            "category_ids": None if self.category_ids is None else list(self.category_ids),
            "shards": {split: [vars(s) for s in shards] for split, shards in self.shards.items()},
            "statistics": self.statistics,
            "rejected": self.rejected,
            "versions": self.versions,
        }
        values["checksum"] = checksum(values)
        return json.dumps(values, indent=1) + "\n"


@dataclass(frozen=True)
class Rejected:
    """How many images and boxes were rejected, and the file that lists them."""

    images: Count
    boxes: Count
    images_seen: Count
    boxes_seen: Count
    file: FileName
    sha256: Sha256


@dataclass(frozen=True)
class SplitShards:
    """The shards of each split."""

    train: tuple[Shard, ...]
    val: tuple[Shard, ...]
    test: tuple[Shard, ...]


@dataclass(frozen=True)
class SplitStatistics:
    """The statistics of each split."""

    train: Statistics
    val: Statistics
    test: Statistics


@dataclass(frozen=True)
class StoredManifest:
    """The fields of manifest.json."""

    format_version: int
    fingerprint: Fingerprint
    config: RecordsConfig
    anchors: Anchors
    matching: MatchingConfig
    class_names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_CLASSES)]
    category_ids: tuple[Count, ...] | None
    shards: SplitShards
    statistics: SplitStatistics
    rejected: Rejected
    versions: dict[Text, Text]
    checksum: Sha256

    def __post_init__(self) -> None:
        """Values that are stored twice must agree, because a reader may use either."""
        config, maps = self.config, self.anchors.feature_maps
        own = make_anchors(config.anchors, (config.canvas_size, config.canvas_size)).feature_maps
        require(maps == own, "anchors.feature_maps", "those of config.anchors", f"{len(maps)} others")
        ids = self.category_ids
        if ids is not None:
            fit = len(set(ids)) == len(ids) == len(self.class_names)
            require(fit, "category_ids", f"{len(self.class_names)} different numbers, one for each class", len(ids))
        require(self.matching == config.matching, "matching", f"{config.matching}, as in config", self.matching)
        for split in SPLITS:
            shards, statistics = getattr(self.shards, split), getattr(self.statistics, split)
            count = config.shards.of(split)
            require(len(shards) == count, f"shards.{split}", f"{count} shards, as in config", len(shards))
            for number, shard in enumerate(shards):
                name = shard_name(split, self.fingerprint, number, count)
                require(shard.name == name, f"shards.{split}[{number}].name", name, shard.name)
            where, total = f"statistics.{split}", sum(shard.examples for shard in shards)
            check_statistics(
                statistics,
                classes=len(self.class_names),
                map_starts=self.anchors.map_starts,
                views=config.views_of(split),
                name=where,
            )
            _check_sizes(statistics, config, where)
            require(statistics.examples == total, f"{where}.examples", f"{total}, as in shards", statistics.examples)


def _check_sizes(statistics: Statistics, config: RecordsConfig, where: str) -> None:
    """Checks that the stored images are no larger than the composition allows."""
    most = config.collage.size if config.collage else (config.letterbox and config.letterbox.image_side)
    if most:
        for field in ("most_height", "most_width"):
            size = getattr(statistics, field)
            require(size <= most, f"{where}.{field}", f"at most {most}, as in config", size)


def parse_manifest(text: bytes, *, folder: str) -> Manifest:
    """Reads the text of a manifest. Raises `UserError` if it is altered, incomplete or of another format."""
    where = f"{folder}/{MANIFEST}"
    try:
        values = parse_json(text, where=where)
        if not isinstance(values, dict) or "format_version" not in values:
            raise UserError(f"{where} must be a prematch manifest, got something else")
        version = values["format_version"]
        if version != FORMAT_VERSION:
            why = "it was written by another prematch"
            if version == 1:
                why = "it was written by an earlier prematch, whose records hold one view and cannot be read any more"
            raise UserError(f"{where} must be of format version {FORMAT_VERSION}, got {shown(version)}; {why}")
        check_checksum(values, where=where)
        stored = from_dict(StoredManifest, values, where=where)
    except UserError as error:
        raise UserError(f"{error}; {WAY_OUT}") from None
    return Manifest(
        folder=folder,
        fingerprint=stored.fingerprint,
        config=stored.config,
        anchors=stored.anchors,
        class_names=stored.class_names,
        category_ids=stored.category_ids,
        shards={split: getattr(stored.shards, split) for split in SPLITS},
        statistics=values["statistics"],
        rejected=asdict(stored.rejected),
        versions=stored.versions,
    )


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
            f"{folder} must be a record set, got no {MANIFEST} there; "
            f"make one with `make records CONFIG=... RECORDS={folder}`"
        )
    manifest = parse_manifest(read_regular(path, limit=JSON_BYTES), folder=str(folder))
    for shard in (s for shards in manifest.shards.values() for s in shards):
        file = Path(folder) / shard.name
        if not file.is_file():
            raise UserError(f"{file} is missing, although the manifest lists it; {WAY_OUT}")
        if file.stat().st_size != shard.bytes:
            raise UserError(f"{file} must have {shard.bytes} bytes, got {file.stat().st_size}; {WAY_OUT}")
    return manifest


def check_shards(manifest: Manifest, split: str) -> None:
    """Compares the SHA-256 of every shard of a split. Raises `UserError` that names the first altered one."""
    for shard in manifest.shards[split]:
        path = Path(manifest.folder) / shard.name
        if file_sha256(path) != shard.sha256:
            raise UserError(f"{path} must have the SHA-256 {shard.sha256}, got another: it was altered; {WAY_OUT}")
