"""Ways to alter one view of a record, for the checks to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.records.packed_view import RecordView
from pipeline.records.record import Record

Change = Callable[[Record], Record]


def view_with(number: int, change: Callable[[RecordView], RecordView]) -> Change:
    def changed(record: Record) -> Record:
        views = list(record.views)
        views[number] = change(views[number])
        return replace(record, views=tuple(views))

    return changed


def layout_with(number: int, **change: Any) -> Change:
    return view_with(number, lambda v: replace(v, view=replace(v.view, **change)))


def targets_with(number: int, change: Callable[[RecordView], dict[str, Any]]) -> Change:
    return view_with(number, lambda v: replace(v, targets=replace(v.targets, **change(v))))


def box_side(value: float, side: int = 2) -> Callable[[RecordView], RecordView]:
    def change(view: RecordView) -> RecordView:
        boxes = view.boxes.copy()
        boxes[0, side] = value
        return replace(view, boxes=boxes)

    return change


def moved(number: int, **change: int) -> Change:
    """With the place of a view changed."""
    return view_with(number, lambda v: replace(v, view=replace(v.view, place=replace(v.view.place, **change))))


def shown(number: int, **change: int) -> Change:
    """With the shown part of a view changed."""
    return view_with(number, lambda v: replace(v, view=replace(v.view, shown=replace(v.view.shown, **change))))
