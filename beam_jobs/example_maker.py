"""One example: read the picture, place it, match, encode. The same record wherever and whenever it is made."""

from __future__ import annotations

from beam_jobs.sources.source import Item, Source
from beam_jobs.split_items import Entry, record_split
from pipeline.anchors import make_anchors
from pipeline.canvas import Picture, make_canvas
from pipeline.config import RecordsConfig
from pipeline.example import Record
from pipeline.matching import Matches
from pipeline.picture_codec import encode_picture
from pipeline.random_bits import RandomBits
from pipeline.targets import encode_targets


class ExampleMaker:
    """Makes the records of entries. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.anchors = make_anchors(config.anchors, config.canvas.size)
        self._config, self._source = config, source
        self._items: dict[str, list[Item]] = {}

    def make(self, entry: Entry) -> tuple[Record, Matches]:
        """The record of an entry and its matches. Raises `BadPicture`."""
        _, key, source_id, reference, label = entry
        config, split = self._config, key.partition("/")[0]

        def companion(bits: RandomBits) -> tuple[Picture, int]:
            items = self._items_of(split)
            item = items[bits.below(len(items))]
            return self._source.read(item.reference), item.label

        canvas = make_canvas(
            config.canvas, self._source.read(reference), label, RandomBits(config.seed, key), companion
        )
        boxes = canvas.boxes
        targets, matches = encode_targets(boxes, canvas.labels, anchors=self.anchors, matching=config.matching)
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
        if split not in self._items:
            self._items[split] = [i for i in self._source.items() if record_split(self._config, i) == split]
        return self._items[split]
