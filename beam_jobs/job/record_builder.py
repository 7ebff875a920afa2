"""Builds the records of entries. Every worker builds the same records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from beam_jobs.job.composer import ComposedEntry, Composer
from beam_jobs.job.entries import Entry
from beam_jobs.sources.source import BadPicture, Source
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.matching import Matches
from pipeline.records.make_record import make_records
from pipeline.records.record import Record

# Pictures wait until they can be matched in one call: until their views have 64 boxes (twice as many would hardly be
# faster), or they take 16 MB.
_BOXES_TOGETHER = 64
_BYTES_TOGETHER = 16 << 20


class BuiltRecord(NamedTuple):
    """A record, how each of its views was matched, and why some boxes of its source were left out."""

    record: Record
    matches: tuple[Matches, ...]
    faults: tuple[str, ...]


class RecordBuilder:
    """Builds records. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.anchors = make_anchors(config.anchors, config.canvas_size)
        self.composer = Composer(config, source)
        self._config = config

    def build(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, BuiltRecord | BadPicture]]:
        """Each entry with its record, or with why it has none, in order.

        Several records are matched together, which takes far less time than one by one.
        """
        waiting: list[tuple[Entry, ComposedEntry | BadPicture]] = []
        share = 0.0
        for entry in entries:
            composed = self._composed(entry)
            waiting.append((entry, composed))
            share += _share(composed)
            if share >= 1.0:
                yield from self._matched(waiting)
                waiting, share = [], 0.0
        yield from self._matched(waiting)

    def _composed(self, entry: Entry) -> ComposedEntry | BadPicture:
        try:
            return self.composer.composed(entry)
        except BadPicture as reason:
            return BadPicture(str(reason))  # without a traceback, which would keep the picture in memory

    def _matched(
        self, waiting: list[tuple[Entry, ComposedEntry | BadPicture]]
    ) -> Iterator[tuple[Entry, BuiltRecord | BadPicture]]:
        pictures = [composed.picture for _, composed in waiting if isinstance(composed, ComposedEntry)]
        made = iter(make_records(pictures, config=self._config, anchors=self.anchors))
        for entry, composed in waiting:
            if isinstance(composed, BadPicture):
                yield entry, composed
            else:
                yield entry, BuiltRecord(*next(made), composed.faults)


def _share(composed: ComposedEntry | BadPicture) -> float:
    """The share that a picture has in what is matched in one call."""
    if isinstance(composed, BadPicture):
        return 1 / _BOXES_TOGETHER
    layout, size = composed.picture.layout, len(composed.picture.encoded)
    boxes = len(layout.views) * max(1, len(layout.corners))  # a view without boxes takes as long as one with a box
    return max(boxes / _BOXES_TOGETHER, size / _BYTES_TOGETHER)
