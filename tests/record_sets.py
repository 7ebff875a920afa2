"""Small record sets for tests, made from the functions of `pipeline` alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.compositions.collage import Collage
from pipeline.compositions.composition import SourceImage
from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.compositions.resize import RgbImage
from pipeline.config.presets import IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.geometry.anchors import Anchors, make_anchors
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets
from pipeline.records.keys import make_record_key, name_shard
from pipeline.records.manifest import MANIFEST, REJECTED, BySplit, Manifest, Rejected, Shard, load_manifest
from pipeline.records.record import Record, encode_record
from pipeline.records.statistics import IOU_BINS, NO_SIZE, Statistics
from pipeline.records.tfrecord import frame
from pipeline.typed_json import checksum
from tests.one_record import make_record as record_parts

CLASS_NAMES = ("red", "green", "blue")

# A 64-pixel canvas keeps models and batches of tests small.
TINY = RecordsConfig(
    source="squares",
    anchors=IMPROVED_ANCHORS,
    matching=IMPROVED_MATCHING,
    composition=Collage(canvas=(64, 64), object_size=(16, 28), objects=(1, 2)),
    shards=ShardCounts(train=3, val=1, test=2),
)


def square(label: int, number: int) -> RgbImage:
    """A noisy 16-pixel image in the colour of its class."""
    image = np.random.default_rng([label, number]).integers(0, 60, (16, 16, 3), dtype=np.uint8)
    image[..., label] += 180
    return image


def make_record(config: RecordsConfig, anchors: Anchors, split: str, number: int) -> Record:
    """The record of that number: its image is of class number mod 3, and so is its companion's."""
    return make_matched_record(config, anchors, split, number)[0]


def make_matched_record(
    config: RecordsConfig, anchors: Anchors, split: str, number: int
) -> tuple[Record, tuple[Matches, ...]]:
    """The record of that number, and how its views were matched."""
    label = number % len(CLASS_NAMES)
    return compose_record(square(label, number), label, config, anchors, split, number)


def compose_record(
    image: RgbImage, label: int, config: RecordsConfig, anchors: Anchors, split: str, number: int
) -> tuple[Record, tuple[Matches, ...]]:
    """The record of an image with the key of that number, and how its views were matched; companions are red."""
    key = make_record_key(split, f"{split}-{number}", 0)

    def draw_companion(bits: RandomBits) -> SourceImage:
        return SourceImage((16, 16), label=0, reference=str(bits.below(3)))

    composition = config.composition
    layout = composition.layout(
        SourceImage((image.shape[0], image.shape[1]), label=label),
        views=config.views_of(split),
        bits=EntryBits(config.seed, key),
        companions=draw_companion,
        evaluation=split != "train",
    )
    images = [square(int(p.image.reference), number) if p.image.reference else image for p in layout.placed]
    return record_parts(composition.paint(layout, images), layout, key=key, config=config, anchors=anchors)


def without_objects(record: Record) -> Record:
    """A record whose views show nothing."""
    nothing = Targets(*(np.zeros(0, np.int64),) * 2, np.zeros((0, 4), np.float32), *(np.zeros(0, np.int64),) * 2)
    views = tuple(
        replace(view, boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int64), targets=nothing)
        for view in record.views
    )
    return replace(record, views=views)


def collage_of(config: RecordsConfig) -> Collage:
    """The collage of a configuration that has one."""
    assert isinstance(config.composition, Collage)
    return config.composition


def make_records(config: RecordsConfig, split: str, count: int) -> list[Record]:
    """The first `count` records of a split."""
    anchors = make_anchors(config.anchors, config.canvas)
    return [make_record(config, anchors, split, number) for number in range(count)]


def write_record_set(
    folder: Path,
    *,
    config: RecordsConfig = TINY,
    train: int = 24,
    val: int = 8,
    test: int = 10,
    records: Mapping[str, Sequence[Record]] | None = None,
    serialized: Mapping[str, Sequence[bytes]] | None = None,
) -> Manifest:
    """Writes a whole record set and reads its manifest back. Record i goes to shard i mod shards.

    What `serialized` gives takes the place of a split's records, whatever it is; statistics stay theirs.
    """
    if records is None:
        records = {
            split: make_records(config, split, n) for split, n in (("train", train), ("val", val), ("test", test))
        }
    folder.mkdir(parents=True, exist_ok=True)
    shards = {}
    for split, some in records.items():
        count = config.shards.of(split)
        written = (serialized or {}).get(split) or [encode_record(record) for record in some]
        shards[split] = (tuple(_write_shard(folder, split, k, count, written[k::count]) for k in range(count)),)
    manifest = Manifest(
        folder=str(folder),
        fingerprint="0123456789abcdef",
        config=config,
        anchors=make_anchors(config.anchors, config.canvas),
        class_names=CLASS_NAMES,
        category_ids=None,
        passes=BySplit(**shards),
        statistics=BySplit(**{split: statistics_of(some, config) for split, some in records.items()}),
        rejected=Rejected(0, 0, 0, 0, REJECTED, hashlib.sha256(b"").hexdigest()),
        versions={},
    )
    (folder / MANIFEST).write_text(manifest.to_json())
    return load_manifest(str(folder))


def statistics_of(records: Sequence[Record], config: RecordsConfig) -> Statistics:
    """The statistics of a split of these records, counted one by one."""
    views = [view for record in records for view in record.views]
    anchors = make_anchors(config.anchors, config.canvas)
    labels = [label for view in views for label in view.labels.tolist()]
    matched = [anchor for view in views for anchor in view.targets.anchors.tolist()]
    heights, widths = [r.height for r in records], [r.width for r in records]
    return Statistics(
        examples=len(records),
        views=len(views),
        objects=sum(len(record.views[0].labels) for record in records),
        boxes=len(labels),
        boxes_per_class=tuple(labels.count(k) for k in range(len(CLASS_NAMES))),
        best_iou_histogram=(*(0,) * (IOU_BINS - 1), len(labels)),
        boxes_of_positive_iou=len(labels),
        boxes_without_anchor=0,
        positives=len(matched),
        positives_per_map=tuple(np.histogram(matched, bins=np.asarray(anchors.map_starts))[0].tolist()),
        ignored=sum(len(view.targets.ignored) for view in views),
        least_height=min(heights, default=NO_SIZE),
        least_width=min(widths, default=NO_SIZE),
        most_height=max(heights, default=0),
        most_width=max(widths, default=0),
        most_boxes=max((len(view.labels) for view in views), default=0),
        most_positives=max((len(view.targets.anchors) for view in views), default=0),
        most_ignored=max((len(view.targets.ignored) for view in views), default=0),
    )


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the values of a manifest, and its checksum with them."""
    path = folder / MANIFEST
    values = json.loads(path.read_text())
    del values["checksum"]
    change(values)
    values["checksum"] = checksum(values)
    path.write_text(json.dumps(values, indent=1) + "\n")


def with_format(config: RecordsConfig, image_format: str) -> RecordsConfig:
    """The same record set with its images encoded otherwise."""
    return replace(config, image_format=image_format)


def _write_shard(folder: Path, split: str, shard: int, shards: int, records: Sequence[bytes]) -> Shard:
    name = name_shard(split, "0123456789abcdef", shard, shards)
    data = b"".join(frame(record) for record in records)
    (folder / name).write_bytes(data)
    return Shard(name, len(records), len(data), hashlib.sha256(data).hexdigest())
