"""The record of a single entry, for tests."""

from __future__ import annotations

from beam_jobs.job.entries import Entry
from beam_jobs.job.receipt import Rejection
from beam_jobs.job.record_builder import BuiltRecord, RecordBuilder
from beam_jobs.sources.source import BadImage


def build_one(builder: RecordBuilder, entry: Entry) -> BuiltRecord:
    """`RecordBuilder.build` for one entry. Raises `BadImage`."""
    (built,) = builder.build([entry])
    if isinstance(built, Rejection):
        raise BadImage(built.reason)
    return built
