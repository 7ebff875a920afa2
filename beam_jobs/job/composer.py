"""Composes canvases: reads an entry's image and lays it out, as a collage or letterboxed. Nothing is matched yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from time import perf_counter_ns
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from beam_jobs.job.entries import Entry, limited, record_split
from beam_jobs.sources.boxes import BOX_ORDER, select_usable_boxes
from beam_jobs.sources.image_files import is_fault
from beam_jobs.sources.source import BadImage, Item, Source
from pipeline.config.records_config import MAX_OBJECTS, Collage, Letterbox, RecordsConfig
from pipeline.geometry.boxes import Array
from pipeline.records.ground_truth import GroundTruth
from pipeline.records.image_codec import encode_image
from pipeline.records.layout import Layout
from pipeline.records.letterbox_layout import letterbox_layout
from pipeline.records.make_record import LaidOutImage, SourceImage
from pipeline.views.collage import RgbImage, collage_views, compose, corners_in, shrink, window_of
from pipeline.views.letterbox import stored_shape
from pipeline.views.placement import Rectangle, Shape, place_objects
from pipeline.views.random_bits import RandomBits, bits_of_views


class ComposedEntry(NamedTuple):
    """An entry's image, laid out, and why some boxes of its source were left out."""

    image: LaidOutImage
    faults: tuple[str, ...] = ()


class Composer:
    """Composes canvases. They depend on configuration, source and entry alone."""

    def __init__(self, config: RecordsConfig, source: Source) -> None:
        self.class_names = source.class_names  # once, because a source may keep them in a file
        self._config, self._source = config, source
        self._items: dict[str, list[Item]] = {}
        self.reading_ns = 0  # spent so far in reading images

    def composed(self, entry: Entry) -> ComposedEntry:
        """The image of an entry, laid out. Raises `BadImage`."""
        image = self._read(entry.reference)
        if (collage := self._config.collage) is not None:
            return self._placed(entry, image, collage)
        letterbox = self._config.letterbox
        assert letterbox is not None
        return self._letterboxed(entry, image, letterbox)

    def _read(self, reference: str) -> RgbImage:
        began = perf_counter_ns()
        try:
            return self._source.read(reference)
        finally:
            self.reading_ns += perf_counter_ns() - began

    def _placed(self, entry: Entry, image: RgbImage, config: Collage) -> ComposedEntry:
        """Composes an image that is itself the object, perhaps with companions, and lays it on the canvas."""

        def companion(bits: RandomBits) -> tuple[RgbImage, int]:
            for item in self._companions(entry, bits):
                with contextlib.suppress(BadImage):  # its own record is rejected, this one is not
                    return self._read(item.reference), _label_of(item)
            raise BadImage(f"no image of {entry.split} can be read")

        bits = RandomBits(self._config.seed, entry.key)
        composed = compose(config, image, _label_of(entry), bits, companion, evaluation=entry.split != "train")
        layout = self._placed_layout(entry, composed.window, composed.corners, composed.labels)
        return ComposedEntry(self._encoded(entry, composed.pixels, layout))

    def _placed_layout(self, entry: Entry, window: Rectangle, corners: Array, labels: NDArray[np.int64]) -> Layout:
        """The layout of a composed image whose first place on the canvas is `window`."""
        collage = self._config.collage
        assert collage is not None
        count, bits_of = self._config.views_of(entry.split), bits_of_views(self._config.seed, entry.key)
        return Layout(corners, labels, collage_views(collage, window, count=count, bits_of=bits_of))

    def _letterboxed(self, entry: Entry, image: RgbImage, config: Letterbox) -> ComposedEntry:
        """Lays an image with boxes of its own on the canvas."""
        shape = (image.shape[0], image.shape[1])
        layout, truth, faults = self._letterboxed_layout(entry, shape, config)
        stored = stored_shape(config, shape)
        pixels = image if stored == shape else shrink(image, *stored)
        source = SourceImage(shape, truth, entry.image_id)
        return ComposedEntry(self._encoded(entry, pixels, layout, source), tuple(faults))

    def _letterboxed_layout(
        self, entry: Entry, shape: Shape, config: Letterbox
    ) -> tuple[Layout, GroundTruth, list[str]]:
        """The layout of an image of this shape in the source, its objects, and why some boxes were left out."""
        if entry.boxes is None:
            raise BadImage(f"{entry.source_id} must have boxes, got none, and a letterbox needs them")
        if len(entry.boxes) > MAX_OBJECTS:
            raise BadImage(f"{entry.source_id} must have at most {MAX_OBJECTS} boxes, got {len(entry.boxes)}")
        truth, numbers, faults = select_usable_boxes(entry.boxes, shape, self.class_names)
        count, bits_of = self._config.views_of(entry.split), bits_of_views(self._config.seed, entry.key)
        layout, small = letterbox_layout(config, truth, shape, count=count, bits_of=bits_of)
        for index in small.tolist():
            corners = truth.corners[index].tolist()
            faults.append(f"box {numbers[index]} must have an area on the canvas, got {BOX_ORDER} {corners}")
        return layout, truth, faults

    def _encoded(
        self, entry: Entry, pixels: RgbImage, layout: Layout, source: SourceImage | None = None
    ) -> LaidOutImage:
        # Encoded at once: while an image waits to be matched, it takes no more memory than its record.
        shape, encoded = (pixels.shape[0], pixels.shape[1]), encode_image(pixels, self._config.image_format)
        return LaidOutImage(entry.key, entry.source_id, shape, encoded, layout, source)

    def boxes(self, entry: Entry) -> NDArray[np.float32]:
        """The ground truth in an entry's views, [G, 4] corners in [0, 1], without decoding an image.

        Raises `BadImage` if not even the image's size is known.
        """
        truths = self._layout(entry).truths(size=self._config.canvas_size)
        return np.concatenate([boxes for boxes, _ in truths])

    def _layout(self, entry: Entry) -> Layout:
        if (letterbox := self._config.letterbox) is not None:
            return self._letterboxed_layout(entry, self._source.shape(entry.reference), letterbox)[0]
        collage = self._config.collage
        assert collage is not None

        def draw(number: int, bits: RandomBits) -> tuple[Shape, None]:
            reference = next(self._companions(entry, bits)).reference if number else entry.reference
            return self._source.shape(reference), None

        bits = RandomBits(self._config.seed, entry.key)
        placed = place_objects(collage, draw, bits, evaluation=entry.split != "train")
        rectangles = [p.rectangle for p in placed]
        window = window_of(rectangles)
        return self._placed_layout(entry, window, corners_in(window, rectangles), np.zeros(len(rectangles), np.int64))

    def _companions(self, entry: Entry, bits: RandomBits) -> Iterator[Item]:
        """Draws one more object for a canvas from the items of the entry's own split; then come those after it."""
        split = entry.split
        if split not in self._items:
            own = [
                i
                for i in limited(self._config, self._source.items())
                if record_split(self._config, self._source, i) == split and not is_fault(i.reference)
            ]
            self._items[split] = own
        items = self._items[split]
        first = bits.below(len(items))
        yield from (items[(first + step) % len(items)] for step in range(len(items)))  # no copy: this is a long list


def _label_of(item: Item | Entry) -> int:
    """The label of an image that is itself the object. Raises `BadImage` if it has none."""
    if item.label is None:
        raise BadImage(f"{item.source_id} must have a label, got none, and a collage needs it")
    return item.label
