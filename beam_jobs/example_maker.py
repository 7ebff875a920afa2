"""One example: read the picture, place it, match, encode. The same record wherever and whenever it is made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from beam_jobs.sources.source import Item, Source
from beam_jobs.split_items import Entry, limited, record_split
from pipeline.anchors import make_anchors
from pipeline.canvas import Picture, make_canvas
from pipeline.config import RecordsConfig
from pipeline.example import Record
from pipeline.matching import Matches
from pipeline.picture_codec import encode_picture
from pipeline.placement import Shape, boxes_of, place_objects
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
        config = self._config

        def companion(bits: RandomBits) -> tuple[Picture, int]:
            item = self._companion(key, bits)
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

    def boxes(self, entry: Entry) -> NDArray[np.float32]:
        """The ground truth that `make` gives an entry, [G, 4] corners in [0, 1], without a look at pixels."""
        _, key, _, reference, _ = entry

        def draw(number: int, bits: RandomBits) -> tuple[Shape, None]:
            return self._source.shape(self._companion(key, bits).reference if number else reference), None

        placed = place_objects(self._config.canvas, draw, RandomBits(self._config.seed, key))
        return boxes_of([p.rectangle for p in placed], self._config.canvas.size)

    def _companion(self, key: str, bits: RandomBits) -> Item:
        """One more object for a canvas, drawn from the items of the example's own split."""
        split = key.partition("/")[0]
        if split not in self._items:
            own = [i for i in limited(self._config, self._source.items()) if record_split(self._config, i) == split]
            self._items[split] = own
        return self._items[split][bits.below(len(self._items[split]))]
