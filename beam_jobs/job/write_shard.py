"""One shard: for each of its keys in order, read the picture, place, match, encode and append it to the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import apache_beam as beam
from apache_beam.metrics import Metrics

from beam_jobs.job import storage
from beam_jobs.job.entries import Entry, ShardId, entry_of, in_order
from beam_jobs.job.receipt import Receipt, Rejection
from beam_jobs.job.record_builder import ExampleMaker
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.job.shard_statistics import ShardStatistics
from beam_jobs.sources.source import BadPicture, Source
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import disk_error
from pipeline.records.manifest import Shard
from pipeline.records.record import encode_record
from pipeline.records.tfrecord import frame

METRICS = "records"
KEPT = "shards_kept"


class WriteShard(beam.DoFn):
    """Writes the shard of a group of entries, unless its receipt and its bytes are there already."""

    def __init__(self, folder: RecordFolder, config: RecordsConfig, source: Source) -> None:
        self._folder, self._config, self._source = folder, config, source
        self._kept = Metrics.counter(METRICS, KEPT)

    def setup(self) -> None:
        """Makes the anchors once a worker."""
        self._maker = ExampleMaker(self._config, self._source)

    def process(self, group: tuple[ShardId, Iterable[tuple[Any, ...] | None]]) -> Iterator[str]:
        """Yields the shard's name when its bytes and its receipt are in place."""
        (split, number), entries = group
        name = self._folder.shard_name(split, number, self._config.shards.of(split))
        if self._folder.kept(name) is not None:
            self._kept.inc()
        else:
            self._write(name, in_order(entry_of(e) for e in entries if e is not None))
        yield name

    def _write(self, name: str, entries: list[Entry]) -> None:
        temporary = self._folder.temporary(name)
        try:
            with storage.create(temporary) as file:
                receipt = self._append_all(file, name, entries)
            self._folder.commit(temporary, name)
            self._folder.write_receipt(receipt)
        except OSError as error:
            error.filename = error.filename or self._folder.path  # a failed write does not say where it was
            raise disk_error(error) or error from None

    def _append_all(self, file: BinaryIO, name: str, entries: list[Entry]) -> Receipt:
        statistics = ShardStatistics(
            len(self._maker.class_names), self._maker.anchors, self._config.matching.positive_iou
        )
        digest, size, examples = hashlib.sha256(), 0, 0
        rejected: list[Rejection] = []
        last_key = ""
        for entry in entries:
            try:
                if entry.key == last_key:
                    raise BadPicture("its key is there already: duplicate source id")
                made = self._maker.make(entry)
            except BadPicture as reason:
                rejected.append(Rejection(entry.key, "picture", str(reason)))
                continue
            last_key = entry.key
            rejected.extend(Rejection(entry.key, "box", fault) for fault in made.faults)
            framed = frame(encode_record(made.record))
            file.write(framed)
            digest.update(framed)
            size, examples = size + len(framed), examples + 1
            statistics.add(made.record.labels, made.matches)
        shard = Shard(name, examples, size, digest.hexdigest())
        return Receipt(self._folder.fingerprint, shard, statistics.summary(), tuple(rejected))
