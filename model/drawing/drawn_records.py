"""Records as images: matched anchors over ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from model.drawing.image_grid import ImageGrid
from model.drawing.png import named_drawing_errors
from pipeline.geometry.anchors import Anchors
from pipeline.records.record import Record
from pipeline.views.paint import paint_view

GROUND_TRUTH, ANCHOR = "lime", "orange"


@named_drawing_errors()
def drawn_views(
    views: Sequence[tuple[Record, int]], anchors: Anchors, class_names: Sequence[str], *, canvas_size: int
) -> bytes:
    """Views of records, given by record and number: matched anchors over ground truth. -> PNG.

    Raises `UserError` if that fails.
    """
    grid = ImageGrid(len(views))
    for record, number in views:
        view = record.views[number]
        title = record.key if len(record.views) == 1 else f"{record.key}, view {number}"
        canvas = paint_view(record.image(), view.view, size=canvas_size)
        grid.add(canvas, f"{title}: {len(view.targets.anchors)} anchors")
        for corners in anchors.corners[view.targets.anchors]:
            grid.outline(corners, ANCHOR, width=0.6)
        for corners, label in zip(view.boxes, view.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label])
    return grid.png()
