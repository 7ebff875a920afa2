"""The records job as a Beam pipeline. Pixels never pass through a shuffle: one GroupByKey over metadata."""

from __future__ import annotations

import apache_beam as beam

from beam_jobs.job.entries import all_shards, entries_of, limited, plain
from beam_jobs.job.record_folder import RecordFolder
from beam_jobs.job.write_shard import WriteShard
from beam_jobs.sources.source import Source
from pipeline.config.records_config import RecordsConfig


def build_job(
    pipeline: beam.Pipeline, *, folder: RecordFolder, config: RecordsConfig, source: Source
) -> beam.PCollection:
    """Adds the job to a pipeline.

    Args:
        pipeline: of any Beam runner.
        folder: taken by this job.
        config: of the records.
        source: ready to be read, from every worker.

    Returns:
        The names of the shards, each once its bytes and its receipt are in place.
    """
    entries = (
        pipeline
        | "Start" >> beam.Impulse()
        | "ListItems" >> beam.FlatMap(lambda _: limited(config, source.items()))
        | "ChooseShard" >> beam.FlatMap(lambda item: entries_of(config, item))
        | "Plain" >> beam.MapTuple(lambda shard, entry: (shard, plain(entry)))
    )
    # An empty shard gets its file too: every shard has at least the entry None.
    empty = pipeline | "EveryShard" >> beam.Create([(shard, None) for shard in all_shards(config)], reshuffle=False)
    return (
        (entries, empty)
        | "Flatten" >> beam.Flatten()
        | "GroupByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.ParDo(WriteShard(folder, config, source))
    )
