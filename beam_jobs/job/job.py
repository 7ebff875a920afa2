"""The records job as a Beam pipeline. Pixels never pass through a shuffle: its one GroupByKey groups metadata."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from beam_jobs.job.entries import PackedEntry, ShardId, all_shards, limit_items, make_entries, pack_entry
from beam_jobs.job.metrics import ENTRIES, ITEMS, counter
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.job.write_shard import WriteShard
from beam_jobs.sources.source import Item, Piece, Source
from pipeline.config.records_config import RecordsConfig


class ListItems(beam.PTransform):
    """The source's items, as metadata: at most `config.limit` of each split.

    One further element is None. `MakeEntries` turns it into an empty entry for every shard.
    """

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        super().__init__()
        self._config, self._source = config, source

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Item | None]:
        """A pipeline -> items and None."""
        # A limit counts through the whole list, so one worker reads that.
        pieces = self._source.pieces() if self._config.limit is None else (None,)
        spread = begin | "Pieces" >> beam.Create(enumerate(pieces), reshuffle=len(pieces) > 1)
        return spread | "List" >> beam.ParDo(_List(self._config, self._source))


class MakeEntries(beam.PTransform):
    """The entries of items, one for each copy, keyed by their shards. Every shard gets the entry None too.

    An empty shard is a file as well, and a group needs an entry. Adding them by a `Flatten` would send all entries
    through the workers once more.
    """

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        super().__init__()
        self._config, self._source = config, source

    def expand(self, items: beam.PCollection[Item | None]) -> beam.PCollection[tuple[ShardId, PackedEntry | None]]:
        """Items and None -> entries by shard."""
        return items | "Copies" >> beam.ParDo(_Copies(self._config, self._source))


class WriteShards(beam.PTransform):
    """Brings the entries of each shard together, builds their records and writes them."""

    def __init__(self, folder: RecordFolder, config: RecordsConfig, source: Source) -> None:
        super().__init__()
        self._write = WriteShard(folder, config, source)

    def expand(self, entries: beam.PCollection[tuple[ShardId, PackedEntry | None]]) -> beam.PCollection[str]:
        """Entries by shard -> names of shards, each once its bytes and its receipt are in place."""
        return entries | "GroupByShard" >> beam.GroupByKey() | "Write" >> beam.ParDo(self._write)


def build_job(
    pipeline: beam.Pipeline, *, folder: RecordFolder, config: RecordsConfig, source: Source
) -> beam.PCollection[str]:
    """Adds the job to a pipeline.

    Args:
        pipeline: on any Beam runner.
        folder: owned by this job.
        config: of the records.
        source: ready to be read, from every worker.

    Returns:
        The names of the shards, each once its bytes and its receipt are in place.
    """
    return (
        pipeline
        | "ListItems" >> ListItems(config, source)
        | "MakeEntries" >> MakeEntries(config, source)
        | "WriteShards" >> WriteShards(folder, config, source)
    )


class _List(beam.DoFn):
    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self._config, self._source = config, source
        self._items = counter(ITEMS)

    def process(self, numbered: tuple[int, Piece | None]) -> Iterator[Item | None]:
        number, piece = numbered
        if number == 0:
            yield None
        count = 0
        for item in limit_items(self._config, self._source.items_of(piece)):
            count += 1
            yield item
        self._items.inc(count)


class _Copies(beam.DoFn):
    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self._config, self._source = config, source
        self._entries = counter(ENTRIES)
        self._made = 0

    def start_bundle(self) -> None:
        self._made = 0

    def process(self, item: Item | None) -> Iterator[tuple[ShardId, PackedEntry | None]]:
        if item is None:
            yield from ((shard, None) for shard in all_shards(self._config))
            return
        for shard, entry in make_entries(self._config, self._source, item):
            self._made += 1
            yield shard, pack_entry(entry)

    def finish_bundle(self) -> None:
        self._entries.inc(self._made)  # once a bundle, because counting costs more than an entry
