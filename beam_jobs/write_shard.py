"""One shard: for each of its keys in order, read the picture, place, match, encode and append it to the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import apache_beam as beam
from apache_beam.metrics import Metrics

from beam_jobs import storage
from beam_jobs.receipt import Receipt, Rejection
from beam_jobs.record_folder import RecordFolder
from beam_jobs.shard_statistics import ShardStatistics
from beam_jobs.sources.source import BadPicture, Item, Source
from beam_jobs.split_items import record_split
from pipeline.anchors import make_anchors
from pipeline.canvas import Picture, make_canvas
from pipeline.config import RecordsConfig
from pipeline.errors import disk_error
from pipeline.example import Record, encode_record
from pipeline.manifest import Shard
from pipeline.matching import Matches
from pipeline.picture_codec import encode_picture
from pipeline.random_bits import RandomBits
from pipeline.targets import encode_targets
from pipeline.tfrecord import frame

METRICS = "records"
KEPT = "shards_kept"

ShardId = tuple[str, int]  # split, number
Entry = tuple[int, str, str, str, int]  # order, key, source id, reference, label: what sorts first comes first


@dataclass(frozen=True)
class ExampleMaker:
    """Makes the record of one entry. Depends on configuration, source and entry alone."""

    config: RecordsConfig
    source: Source

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", make_anchors(self.config.anchors, self.config.canvas.size))
        object.__setattr__(self, "_companions", {})

    def make(self, entry: Entry) -> tuple[Record, Matches]:
        """The record of an entry and its matches. Raises `BadPicture`."""
        _, key, source_id, reference, label = entry
        config, anchors = self.config, self.anchors  # type: ignore[attr-defined]
        split = key.partition("/")[0]

        def companion(bits: RandomBits) -> tuple[Picture, int]:
            items = self._items_of(split)
            item = items[bits.below(len(items))]
            return self.source.read(item.reference), item.label

        bits = RandomBits(config.seed, key)
        canvas = make_canvas(config.canvas, self.source.read(reference), label, bits, companion)
        boxes = canvas.boxes
        targets, matches = encode_targets(boxes, canvas.labels, anchors=anchors, matching=config.matching)
        record = Record(
            key=key,
            source_id=source_id,
            height=canvas.size,
            width=canvas.size,
            encoded=encode_picture(canvas.pixels, config.picture_format),
            format=config.picture_format,
            window=canvas.window,
            boxes=boxes,
            labels=canvas.labels,
            targets=targets,
        )
        return record, matches

    def _items_of(self, split: str) -> list[Item]:
        """The items that other objects of a canvas are drawn from: those of the example's own split."""
        cache: dict[str, list[Item]] = self._companions  # type: ignore[attr-defined]
        if split not in cache:
            cache[split] = [i for i in self.source.items() if record_split(self.config, i) == split]
        return cache[split]


class WriteShard(beam.DoFn):  # type: ignore[misc]
    """Writes the shard of a group of entries, unless its receipt and its bytes are there already."""

    def __init__(self, folder: RecordFolder, config: RecordsConfig, source: Source) -> None:
        self._folder, self._config, self._source = folder, config, source
        self._kept = Metrics.counter(METRICS, KEPT)

    def setup(self) -> None:
        """Makes the anchors once a worker."""
        self._maker = ExampleMaker(self._config, self._source)

    def process(self, group: tuple[ShardId, Iterable[Entry | None]]) -> Iterator[str]:
        """Yields the shard's name when its bytes and its receipt are in place."""
        (split, number), entries = group
        name = self._folder.shard_name(split, number, self._config.shards.of(split))
        if self._folder.kept(name) is not None:
            self._kept.inc()
        else:
            self._write(name, sorted(e for e in entries if e is not None))
        yield name

    def _write(self, name: str, entries: list[Entry]) -> None:
        temporary = self._folder.temporary(name)
        try:
            with storage.create(temporary) as file:
                receipt = self._append_all(file, name, entries)
            self._folder.commit(temporary, name)
            self._folder.write_receipt(receipt)
        except OSError as error:
            raise disk_error(error) or error from None

    def _append_all(self, file: BinaryIO, name: str, entries: list[Entry]) -> Receipt:
        statistics = ShardStatistics(len(self._source.class_names), self._maker.anchors, self._config.matching.positive_iou)  # type: ignore[attr-defined]  # noqa: E501
        digest, size, examples = hashlib.sha256(), 0, 0
        rejected: list[Rejection] = []
        last_key = ""
        for entry in entries:
            key = entry[1]
            try:
                if key == last_key:
                    raise BadPicture("its key is there already: duplicate source id")
                record, matches = self._maker.make(entry)
            except BadPicture as reason:
                rejected.append(Rejection(key, "picture", str(reason)))
                continue
            last_key = key
            framed = frame(encode_record(record))
            file.write(framed)
            digest.update(framed)
            size, examples = size + len(framed), examples + 1
            statistics.add(record.labels, matches)
        shard = Shard(name, examples, size, digest.hexdigest())
        return Receipt(self._folder.fingerprint, shard, statistics.summary(), tuple(rejected))
