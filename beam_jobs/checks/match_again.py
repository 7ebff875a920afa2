"""Matches the views of a record again, and compares the targets with the stored ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.geometry.matching import Matches
from pipeline.geometry.targets import Targets, encode_views
from pipeline.records.check_record import shown_array
from pipeline.records.layout import Layout
from pipeline.records.manifest import Manifest
from pipeline.records.record import Record, view_name


def matched_again(manifest: Manifest, record: Record, layout: Layout | None) -> list[tuple[Targets, Matches]]:
    """The targets and matches of each view's own boxes.

    Args:
        manifest: of the set.
        record: one whose boxes can be matched.
        layout: of the record; it says where anchors are ignored because of crowds and difficult objects.
    """
    regions = layout.regions(size=manifest.canvas_size) if layout is not None else None
    return encode_views(
        [view.boxes for view in record.views],
        [view.labels for view in record.views],
        anchors=manifest.anchors,
        matching=manifest.matching,
        regions=regions,
    )


def target_faults(record: Record, fresh: Sequence[Targets]) -> Iterator[str]:
    """Where the targets of any view differ from those of a new matching."""
    for number, (view, targets) in enumerate(zip(record.views, fresh, strict=True)):
        for field in dataclasses.fields(targets)[:-1]:  # objects are not stored yet
            expected, got = getattr(targets, field.name), getattr(view.targets, field.name)
            close = expected.shape == got.shape and (
                bool(np.allclose(expected, got, rtol=0, atol=1e-6))
                if field.name == "offsets"
                else (expected == got).all()
            )
            if not close:
                name = f"{view_name(number)}: {field.name}"
                yield f"{name} must be {shown_array(expected)} by a new matching, got {shown_array(got)}"
