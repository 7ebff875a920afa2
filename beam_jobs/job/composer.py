"""Lays out entries: reads an entry's images and places them, as its composition says. Nothing is matched yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from beam_jobs.job.entries import Entry, limit_items, record_split
from beam_jobs.sources.boxes import BOX_ORDER, select_usable_boxes
from beam_jobs.sources.image_files import is_fault
from beam_jobs.sources.source import BadImage, Item, Source
from pipeline.compositions.composition import MAX_OBJECTS, Layout, SourceImage
from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.config.records_config import RecordsConfig
from pipeline.records.build_records import EncodedImage
from pipeline.records.image_codec import encode_image


class ComposedEntry(NamedTuple):
    """An entry's stored image, laid out, and why some boxes of its source were left out."""

    image: EncodedImage
    faults: tuple[str, ...] = ()


class Composer:
    """Composes canvases. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.class_names = source.class_names  # once, because a source may keep them in a file
        self._config, self._source = config, source
        self._items: dict[str, list[Item]] = {}
        self.reading_ns = 0  # spent so far in reading images

    def compose(self, entry: Entry) -> ComposedEntry:
        """The stored image of an entry, laid out. Raises `BadImage`.

        A companion that cannot be decoded is replaced by the next, so everything is laid out again without it.
        """
        own = self._read(entry.reference)
        image, numbers, faults = self._describe(entry, (own.shape[0], own.shape[1]))
        pixels = {entry.reference: own}
        unreadable: set[str] = set()
        while True:
            layout = self._lay_out(entry, image, unreadable)
            before = len(unreadable)
            for placed in layout.placed:
                reference = placed.image.reference
                if reference not in pixels:
                    try:
                        pixels[reference] = self._read(reference)
                    except BadImage:  # its own record is rejected, this one is not
                        unreadable.add(reference)
            if len(unreadable) == before:
                break
        stored = self._config.composition.paint(layout, [pixels[p.image.reference] for p in layout.placed])
        # Encoded at once: while an image waits to be matched, it takes no more memory than its record.
        encoded = encode_image(stored, self._config.image_format, jpeg_quality=self._config.jpeg_quality)
        for index in layout.too_small.tolist():
            corners = image.truth.corners[index].tolist() if image.truth else []
            faults.append(f"box {numbers[index]} must have an area on the canvas, got {BOX_ORDER} {corners}")
        return ComposedEntry(EncodedImage(entry.key, encoded, layout), tuple(faults))

    def find_boxes(self, entry: Entry) -> NDArray[np.float32]:
        """The ground truth in an entry's views, [G, 4] corners in [0, 1], without decoding an image.

        An estimate where the composition draws companions: here, one whose pixels are broken counts.

        Raises `BadImage` if not even the image's size is known.
        """
        image = self._describe(entry, self._source.shape(entry.reference))[0]
        layout = self._lay_out(entry, image, set())
        return np.concatenate([boxes for boxes, _ in layout.truths()])

    def _read(self, reference: str) -> RgbImage:
        began = perf_counter_ns()
        try:
            return self._source.read(reference)
        finally:
            self.reading_ns += perf_counter_ns() - began

    def _describe(self, described: Entry | Item, size: Shape) -> tuple[SourceImage, list[int], list[str]]:
        """What the source says of an image of that size. Raises `BadImage`.

        Returns:
            The image; the number of each of its objects among the source's boxes; why other boxes are left out.
        """
        name, boxes = described.source_id, described.boxes
        if not self._config.composition.takes_boxes:
            if described.label is None:
                raise BadImage(f"{name} has no label, and a collage needs one")
            return SourceImage(size, label=described.label, reference=described.reference), [], []
        if boxes is None:
            raise BadImage(f"{name} has no list of boxes, and a letterbox needs one")
        if len(boxes) > MAX_OBJECTS:
            raise BadImage(f"{name} must have at most {MAX_OBJECTS} boxes, got {len(boxes)}")
        truth, numbers, faults = select_usable_boxes(boxes, size, self.class_names)
        image = SourceImage(size, truth=truth, image_id=described.image_id, reference=described.reference)
        return image, numbers, faults

    def _lay_out(self, entry: Entry, image: SourceImage, unreadable: set[str]) -> Layout:
        """The layout of an entry, without companions that are known to be unreadable."""

        def draw_companion(bits: RandomBits) -> SourceImage:
            for item in self._companions(entry, bits):
                if item.reference not in unreadable:
                    with contextlib.suppress(BadImage):
                        return self._describe(item, self._source.shape(item.reference))[0]
            raise BadImage(f"no image of {entry.split} can be read")

        return self._config.composition.layout(
            image,
            views=self._config.views_of(entry.split),
            bits=EntryBits(self._config.seed, entry.key),
            companions=draw_companion,
            evaluation=entry.split != "train",
        )

    def _companions(self, entry: Entry, bits: RandomBits) -> Iterator[Item]:
        """Draws one more image for a canvas from the items of the entry's own split; then come those after it."""
        split = entry.split
        if split not in self._items:
            self._items[split] = [
                item
                for item in limit_items(self._config, self._source.items())
                if record_split(self._config, self._source, item) == split and not is_fault(item.reference)
            ]
        items = self._items[split]
        first = bits.below(len(items))
        yield from (items[(first + step) % len(items)] for step in range(len(items)))  # no copy: this is a long list
