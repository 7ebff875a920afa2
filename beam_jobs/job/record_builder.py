"""Builds the records of entries. Every worker builds the same records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from beam_jobs.job.composer import ComposedEntry, Composer
from beam_jobs.job.entries import Entry
from beam_jobs.job.receipt import Rejection
from beam_jobs.sources.source import BadImage, Source
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.matching import Matches
from pipeline.records.build_records import build_records
from pipeline.records.record import Record

# Images wait until they can be matched in one call: until their views have 64 boxes (twice as many would hardly be
# faster), or they take 16 MB.
_BOXES_TOGETHER = 64
_BYTES_TOGETHER = 16 << 20


class BuiltRecord(NamedTuple):
    """A record, how each of its views was matched, and the boxes of its source that were left out."""

    record: Record
    matches: tuple[Matches, ...]
    rejected: tuple[Rejection, ...]


class RecordBuilder:
    """Builds records. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.anchors = make_anchors(config.anchors, config.canvas)
        self.composer = Composer(config, source)
        self._config = config

    def build(self, entries: Iterable[Entry]) -> Iterator[BuiltRecord | Rejection]:
        """The record of each entry, or why it has none, in order.

        Several records are matched together, which takes far less time than one by one. Entries of one key must follow
        each other; the first that can be read gets the record.
        """
        waiting: list[ComposedEntry | Rejection] = []
        share, last_key = 0.0, ""
        for entry in entries:
            composed = self._compose(entry, last_key)
            waiting.append(composed)
            if isinstance(composed, Rejection):
                share += 1 / _BOXES_TOGETHER
            else:
                share += _share(composed, len(entry.boxes or ()))
                last_key = entry.key
            if share >= 1.0:
                yield from self._match(waiting)
                waiting, share = [], 0.0
        yield from self._match(waiting)

    def _compose(self, entry: Entry, last_key: str) -> ComposedEntry | Rejection:
        if entry.key == last_key:
            reason = "its key is there already: list an image once with all its boxes, or give each its own id"
            return Rejection(entry.key, "image", reason)
        try:
            return self.composer.compose(entry)
        except BadImage as error:  # only its text may wait: its traceback holds the image
            return Rejection(entry.key, "image", str(error))

    def _match(self, waiting: list[ComposedEntry | Rejection]) -> Iterator[BuiltRecord | Rejection]:
        images = [composed.image for composed in waiting if isinstance(composed, ComposedEntry)]
        made = iter(build_records(images, config=self._config, anchors=self.anchors))
        for composed in waiting:
            if isinstance(composed, Rejection):
                yield composed
            else:
                record, matches = next(made)
                yield BuiltRecord(record, matches, tuple(Rejection(record.key, "box", f) for f in composed.faults))


def _share(composed: ComposedEntry, listed: int) -> float:
    """The share of a call's limits that an image takes up. `listed` counts its source's boxes, usable or not."""
    layout, size = composed.image.layout, len(composed.image.encoded)
    boxes = max(len(layout.views) * len(layout.corners), len(layout.views), listed)
    return max(boxes / _BOXES_TOGETHER, size / _BYTES_TOGETHER)
