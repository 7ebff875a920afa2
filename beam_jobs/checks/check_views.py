"""Lays a record's image on the canvas again, as its ground truth and its random bits say, and compares the views."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.config.records_config import RecordsConfig
from pipeline.records.check_record import shown_array
from pipeline.records.keys import split_of
from pipeline.records.layout import Layout
from pipeline.records.letterbox_layout import letterbox_layout
from pipeline.records.record import Record, view_name
from pipeline.views.collage import collage_views
from pipeline.views.random_bits import bits_of_views


def layout_again(record: Record, config: RecordsConfig) -> Layout:
    """The layout of a record that has no other faults.

    A letterboxed image is laid out from its ground truth. In a collage, the first view says where the objects are.
    """
    count, bits_of = config.views_of(split_of(record.key)), bits_of_views(config.seed, record.key)
    if config.collage is None:
        assert config.letterbox is not None and record.truth is not None and record.source_size is not None
        return letterbox_layout(config.letterbox, record.truth, record.source_size, count=count, bits_of=bits_of)[0]
    first = record.views[0]
    place = first.view.place
    # Objects of a collage lie on whole pixels, and nothing is scaled.
    corners = np.rint(first.boxes.astype(np.float64) * config.canvas_size) - np.tile([place.ymin, place.xmin], 2)
    return Layout(corners, first.labels, collage_views(config.collage, place, count=count, bits_of=bits_of))


def view_faults(record: Record, layout: Layout, size: int) -> Iterator[str]:
    """Where views differ from those of the layout, on a canvas of `size` pixels."""
    drawn = zip(layout.views, layout.truths(size=size), strict=True)
    for number, (view, (expected, (boxes, labels))) in enumerate(zip(record.views, drawn, strict=True)):
        name = view_name(number)
        if view.view != expected:
            yield f"{name}: shown, place and mirrored must be drawn as {expected}, got {view.view}"
            continue
        for what, wanted, got in (("boxes", boxes, view.boxes), ("labels", labels, view.labels)):
            if not np.array_equal(wanted, got):
                yield f"{name}: {what} must be those of the ground truth, {shown_array(wanted)}, got {shown_array(got)}"
