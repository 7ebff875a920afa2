"""Records as images: matched anchors over ground truth."""

from __future__ import annotations

from collections.abc import Sequence

from model.drawing.image_grid import ImageGrid
from model.drawing.png import named_drawing_errors
from pipeline.compositions.resize import paint_view
from pipeline.compositions.view import Shape
from pipeline.geometry.anchors import Anchors
from pipeline.records.record import Record

GROUND_TRUTH, ANCHOR = "lime", "orange"


@named_drawing_errors()
def drawn_views(
    views: Sequence[tuple[Record, int]], anchors: Anchors, class_names: Sequence[str], *, canvas: Shape
) -> bytes:
    """Views of records, given by record and number: matched anchors over ground truth. -> PNG.

    Raises `UserError` if that fails.
    """
    grid = ImageGrid(len(views))
    for record, number in views:
        view = record.views[number]
        title = record.key if len(record.views) == 1 else f"{record.key}, view {number}"
        painted = paint_view(record.image(), view.view, canvas=canvas)
        grid.add(painted, f"{title}: {len(view.targets.anchors)} anchors")
        for corners in anchors.corners[view.targets.anchors]:
            grid.outline(corners, ANCHOR, width=0.6)
        for corners, label in zip(view.boxes, view.labels, strict=True):
            grid.outline(corners, GROUND_TRUTH, text=class_names[label])
    return grid.png()
