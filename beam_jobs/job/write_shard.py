"""Writes one shard: reads, lays out, matches, encodes and appends the record of each of its entries, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from time import perf_counter_ns
from typing import BinaryIO

import apache_beam as beam

from beam_jobs.job import metrics, storage
from beam_jobs.job.entries import PackedEntry, ShardId, sort_entries, unpack_entry
from beam_jobs.job.fingerprint import check_versions, find_library_versions
from beam_jobs.job.receipt import Receipt, Rejection
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.sources.source import Source
from pipeline.config.records_config import RecordsConfig
from pipeline.errors import find_disk_error
from pipeline.records.manifest import Shard
from pipeline.records.record import encode_record
from pipeline.records.statistics import StatisticsCounter
from pipeline.records.tfrecord import MAX_RECORD, frame


class WriteShard(beam.DoFn):
    """Writes the shard of a group of entries, unless its receipt and its bytes are there already."""

    def __init__(self, folder: RecordFolder, config: RecordsConfig, source: Source) -> None:
        self._folder, self._config, self._source = folder, config, source
        self._versions = find_library_versions()  # where the job is started
        self._kept = metrics.counter(metrics.SHARDS_KEPT)
        self._records = metrics.counter(metrics.RECORDS)
        self._bytes = metrics.counter(metrics.BYTES)
        self._rejected = {
            "image": metrics.counter(metrics.REJECTED_IMAGES),
            "box": metrics.counter(metrics.REJECTED_BOXES),
        }
        self._reading = metrics.milliseconds(metrics.READING)
        self._matching = metrics.milliseconds(metrics.MATCHING)
        self._writing = metrics.milliseconds(metrics.WRITING)

    def setup(self) -> None:
        """Makes the anchors, once per worker. Raises `UserError` if the worker's libraries could make other bytes."""
        check_versions(self._versions)
        self._builder = RecordBuilder(self._config, self._source)

    def process(self, group: tuple[ShardId, Iterable[PackedEntry | None]]) -> Iterator[str]:
        """Yields the shard's name once its bytes and its receipt are in place."""
        (split, number), entries = group
        name = self._folder.name_shard(split, number, self._config.shards.of(split))
        if self._folder.kept(name) is not None:
            self._kept.inc()
        else:
            self._write(name, sort_entries(entry for entry in entries if entry is not None))
        yield name

    def _write(self, name: str, entries: list[PackedEntry]) -> None:
        started, read_before = perf_counter_ns(), self._builder.composer.reading_ns
        temporary = self._folder.temporary(name)
        try:
            with storage.create(temporary) as file:
                receipt, writing = self._append_all(file, name, entries)
                appended = perf_counter_ns()
                storage.flush(file, temporary)
            self._folder.commit(temporary, name)
            self._folder.write_receipt(receipt)
        except OSError as error:
            error.filename = error.filename or self._folder.path  # a failed write does not name its file
            raise find_disk_error(error) or error from None
        reading = self._builder.composer.reading_ns - read_before
        matching = appended - started - reading - writing
        self._report(receipt, reading, matching, writing + perf_counter_ns() - appended)

    def _append_all(self, file: BinaryIO, name: str, entries: list[PackedEntry]) -> tuple[Receipt, int]:
        """Appends the records of all entries. Returns the shard's receipt and the nanoseconds spent on writing."""
        statistics = StatisticsCounter(
            len(self._builder.composer.class_names), self._builder.anchors, self._config.matching.positive_iou
        )
        digest, size, writing = hashlib.sha256(), 0, 0
        begins: list[int] = []
        rejected: list[Rejection] = []
        for built in self._builder.build(map(unpack_entry, entries)):
            if isinstance(built, Rejection):
                rejected.append(built)
                continue
            encoded = encode_record(built.record)
            if len(encoded) > MAX_RECORD:
                reason = f"its record must have at most {MAX_RECORD} bytes, got {len(encoded)}"
                rejected.append(Rejection(built.record.key, "image", reason))
                continue
            rejected.extend(built.rejected)
            statistics.add(built.record, built.matches)
            framed = frame(encoded)
            began = perf_counter_ns()
            file.write(framed)
            digest.update(framed)
            writing += perf_counter_ns() - began
            begins.append(size)
            size += len(framed)
        receipt = Receipt(
            fingerprint=self._folder.fingerprint,
            shards=(Shard(name, len(begins), size, digest.hexdigest()),),
            begins=(tuple(begins),),
            statistics=statistics.total(),
            rejected=tuple(rejected),
        )
        return receipt, writing

    def _report(self, receipt: Receipt, reading: int, matching: int, writing: int) -> None:
        """Adds a shard to the metrics; times in nanoseconds."""
        for shard in receipt.shards:
            self._records.inc(shard.examples)
            self._bytes.inc(shard.bytes)
        for rejection in receipt.rejected:
            self._rejected[rejection.what].inc()
        for distribution, time in ((self._reading, reading), (self._matching, matching), (self._writing, writing)):
            distribution.update(round(time / 1e6))
