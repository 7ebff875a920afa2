"""Builds the record of an entry: reads the picture, places it, matches. The same wherever and whenever it is built."""

from __future__ import annotations

from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from beam_jobs.job.entries import Entry, limited, record_split
from beam_jobs.sources.source import BadPicture, Item, Source
from beam_jobs.sources.usable_boxes import usable_boxes
from pipeline.config.records_config import RecordsConfig
from pipeline.geometry.anchors import make_anchors
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import encode_targets
from pipeline.records.picture_codec import encode_picture
from pipeline.records.record import Record
from pipeline.views.collage import Picture, make_canvas
from pipeline.views.letterbox import Transform, fit_boxes, fit_picture
from pipeline.views.placement import Rectangle, Shape, boxes_of, place_objects
from pipeline.views.random_bits import RandomBits


class BuiltRecord(NamedTuple):
    """A record, how it was matched, and why some boxes of its source were left out."""

    record: Record
    matches: Matches
    faults: tuple[str, ...]


class RecordBuilder:
    """Builds the records of entries. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.anchors = make_anchors(config.anchors, config.canvas.size)
        self.class_names = source.class_names  # once, because a source may keep them in a file
        self._config, self._source = config, source
        self._items: dict[str, list[Item]] = {}
        self.reading_ns = 0  # spent so far in reading pictures

    def build(self, entry: Entry) -> BuiltRecord:
        """The record of an entry. Raises `BadPicture`."""
        picture, bits = self._read(entry.reference), RandomBits(self._config.seed, entry.key)
        if entry.boxes is None:
            return self._placed(entry, picture, bits)
        return self._fitted(entry, picture, bits)

    def _read(self, reference: str) -> Picture:
        began = perf_counter_ns()
        try:
            return self._source.read(reference)
        finally:
            self.reading_ns += perf_counter_ns() - began

    def _placed(self, entry: Entry, picture: Picture, bits: RandomBits) -> BuiltRecord:
        """Places a picture that is itself the object on a canvas, perhaps with companions."""

        def companion(bits: RandomBits) -> tuple[Picture, int]:
            item = self._companion(entry, bits)
            return self._read(item.reference), label_of(item)

        canvas = make_canvas(
            self._config.canvas, picture, label_of(entry), bits, companion, evaluation=entry.split != "train"
        )
        return self._matched(entry, canvas.window, canvas.pixels, canvas.boxes, canvas.labels)

    def _fitted(self, entry: Entry, picture: Picture, bits: RandomBits) -> BuiltRecord:
        """Fits a picture with boxes of its own to the canvas; flips it, if at all, only for training."""
        config = self._config.canvas
        shape = (picture.shape[0], picture.shape[1])
        corners, labels, faults, _ = usable_boxes(entry.boxes or (), shape, self.class_names)
        flipped = config.flip and entry.split == "train" and bits.below(2) == 1
        fitted = fit_picture(picture, corners, size=config.size, flipped=flipped)
        boxes = fitted.boxes
        flat = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])  # too small for float32
        faults += [f"box at {box} must have an area on the canvas, got none" for box in corners[flat].tolist()]
        built = self._matched(entry, fitted.window, fitted.pixels, boxes[~flat], labels[~flat], shape, fitted.transform)
        return built._replace(faults=tuple(faults))

    def _matched(
        self,
        entry: Entry,
        window: Rectangle,
        pixels: Picture,
        boxes: NDArray[np.float32],
        labels: NDArray[np.int64],
        source_size: Shape | None = None,
        transform: Transform | None = None,
    ) -> BuiltRecord:
        config = self._config
        targets, matches = encode_targets(boxes, labels, anchors=self.anchors, matching=config.matching)
        record = Record(
            key=entry.key,
            source_id=entry.source_id,
            height=config.canvas.size,
            width=config.canvas.size,
            encoded=encode_picture(pixels, config.picture_format),
            format=config.picture_format,
            window=window,
            boxes=boxes,
            labels=labels,
            targets=targets,
            source_size=source_size,
            transform=transform,
        )
        return BuiltRecord(record, matches, ())

    def boxes(self, entry: Entry) -> NDArray[np.float32]:
        """The ground truth that `build` gives an entry, [G, 4] corners in [0, 1], without decoding a picture.

        Raises `BadPicture` if not even the picture's size is known.
        """
        config, bits = self._config.canvas, RandomBits(self._config.seed, entry.key)
        if entry.boxes is not None:
            shape = self._source.shape(entry.reference)
            corners, *_ = usable_boxes(entry.boxes, shape, self.class_names)
            return fit_boxes(corners, shape, size=config.size, flipped=False)[0]

        def draw(number: int, bits: RandomBits) -> tuple[Shape, None]:
            reference = self._companion(entry, bits).reference if number else entry.reference
            return self._source.shape(reference), None

        placed = place_objects(config, draw, bits, evaluation=entry.split != "train")
        return boxes_of([p.rectangle for p in placed], config.size)

    def _companion(self, entry: Entry, bits: RandomBits) -> Item:
        """Draws one more object for a canvas from the items of the entry's own split."""
        split = entry.split
        if split not in self._items:
            own = [i for i in limited(self._config, self._source.items()) if record_split(self._config, i) == split]
            self._items[split] = own
        return self._items[split][bits.below(len(self._items[split]))]


def label_of(item: Item | Entry) -> int:
    """The label of a picture that is itself the object. Raises `BadPicture` if it has none."""
    if item.label is None:
        raise BadPicture(f"{item.source_id} must have a label or boxes, got neither")
    return item.label
