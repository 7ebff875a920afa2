"""Records as pictures: matched anchors over ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from model.pictures.picture_grid import PictureGrid
from model.pictures.png import named_drawing_errors
from pipeline.geometry.anchors import Anchors
from pipeline.records.record import Record

GROUND_TRUTH, ANCHOR = "lime", "orange"


@named_drawing_errors()
def drawn_records(records: Sequence[Record], anchors: Anchors, class_names: Sequence[str]) -> bytes:
    """Every record's matched anchors over its ground truth. -> PNG. Raises `UserError` if that fails."""
    grid = PictureGrid(len(records))
    for record in records:
        grid.add(record.picture(), f"{record.key}: {len(record.targets.anchors)} anchors")
        for corners in anchors.corners[record.targets.anchors]:
            grid.outline(corners, ANCHOR, width=0.6)
        for corners, label in zip(record.boxes, record.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label])
    return grid.png()
