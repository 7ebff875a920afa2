"""Makes a record again from what it says of its source images, and compares the views and the targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.compositions.composition import Layout, SourceImage
from pipeline.compositions.random_bits import EntryBits, RandomBits
from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets, encode_views
from pipeline.records.keys import split_of
from pipeline.records.manifest import Manifest
from pipeline.records.read_records import show_array
from pipeline.records.record import Record, name_view


def lay_out_again(record: Record, manifest: Manifest) -> Layout | None:
    """The layout of a record that has no other faults; None if its bits ask for more images than it names."""
    config, split = manifest.config, split_of(record.key)
    own, *others = record.drawn
    waiting = iter(others)

    def draw_companion(bits: RandomBits) -> SourceImage:
        bits.below(1)  # the job draws an item with this number
        return next(waiting)

    try:
        layout = config.composition.layout(
            own,
            views=config.views_of(split),
            bits=EntryBits(config.seed, record.key),
            companions=draw_companion,
            evaluation=split != "train",
        )
    except StopIteration:
        return None
    return layout if layout.drawn == record.drawn or own.truth is not None else None


def match_again(record: Record, manifest: Manifest, layout: Layout | None) -> list[tuple[Targets, Matches]]:
    """The targets and matches of each view's own boxes.

    Args:
        record: one whose boxes can be matched.
        manifest: of its set.
        layout: of the record; it says where anchors are ignored because of crowds and difficult objects.
    """
    return encode_views(
        [view.boxes for view in record.views],
        [view.labels for view in record.views],
        anchors=manifest.anchors,
        matching=manifest.matching,
        regions=layout.regions() if layout is not None else None,
    )


def compare_views(record: Record, layout: Layout) -> Iterator[str]:
    """Where a record's stored image and views differ from those of its layout."""
    if (record.height, record.width) != layout.shape:
        yield f"image must be stored as {layout.shape} by its source's size, got {(record.height, record.width)}"
    drawn = zip(layout.views, layout.truths(), strict=True)
    for number, (view, (expected, (boxes, labels))) in enumerate(zip(record.views, drawn, strict=True)):
        name = name_view(number)
        if view.view != expected:
            yield f"{name}: shown, place and mirrored must be drawn as {expected}, got {view.view}"
            continue
        for what, wanted, got in (("boxes", boxes, view.boxes), ("labels", labels, view.labels)):
            if not np.array_equal(wanted, got):
                yield f"{name}: {what} must be those of the ground truth, {show_array(wanted)}, got {show_array(got)}"


def compare_targets(record: Record, fresh: Sequence[Targets]) -> Iterator[str]:
    """Where the targets of any view differ from those of a new matching."""
    for number, (view, targets) in enumerate(zip(record.views, fresh, strict=True)):
        for field in dataclasses.fields(targets):
            expected, got = getattr(targets, field.name), getattr(view.targets, field.name)
            close = expected.shape == got.shape and (
                bool(np.allclose(expected, got, rtol=0, atol=1e-6))
                if field.name == "offsets"
                else (expected == got).all()
            )
            if not close:
                name = f"{name_view(number)}: {field.name}"
                yield f"{name} must be {show_array(expected)} by a new matching, got {show_array(got)}"
