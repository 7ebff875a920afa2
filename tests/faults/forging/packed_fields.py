"""The fields of a packed view and of packed ground truth, to alter them one by one.

Nothing is checked: that is left to what is tested.
"""

from __future__ import annotations

import numpy as np

from tests.faults.forging.record_changes import Change, Skip

Fields = dict[str, np.ndarray]  # flat, in the order in which they are packed; int64 or float32

REALS = ("offsets", "boxes")
COUNTS = "counts"  # of positives, ignored anchors and boxes
# What belongs together: how many numbers each has of a field.
ROWS: dict[str, tuple[int, dict[str, int]]] = {
    "positives": (0, {"anchors": 1, "classes": 1, "offsets": 4}),
    "ignored anchors": (1, {"ignored": 1}),
    "objects": (2, {"labels": 1, "boxes": 4}),
}


def fields_of(packed: bytes) -> Fields:
    """The fields of an honest view."""
    words = np.frombuffer(packed, "<i4")
    positives, ignored, boxes = words[9:12].tolist()
    lengths = {
        "shown": 4,
        "place": 4,
        "mirrored": 1,
        COUNTS: 3,
        "anchors": positives,
        "classes": positives,
        "offsets": 4 * positives,
        "ignored": ignored,
        "labels": boxes,
        "boxes": 4 * boxes,
    }
    assert sum(lengths.values()) == len(words)
    parts = np.split(words, np.cumsum([*lengths.values()])[:-1])
    return {
        name: part.view("<f4").astype(np.float32) if name in REALS else part.astype(np.int64)
        for name, part in zip(lengths, parts, strict=True)
    }


def packed(fields: Fields) -> bytes:
    """The inverse of `fields_of`; of large integers, the low 32 bits."""
    return b"".join(
        value.astype("<f4").tobytes() if value.dtype == np.float32 else (value & 0xFFFFFFFF).astype("<u4").tobytes()
        for value in fields.values()
    )


def with_rows(fields: Fields, name: str, change: Change) -> Fields:
    """Alters rows of fields that belong together, and their count with them."""
    at, widths = ROWS[name]
    count = int(fields[COUNTS][at])
    if not count:
        raise Skip
    order = change(np.arange(count))
    altered = {field: fields[field].reshape(count, width)[order].ravel() for field, width in widths.items()}
    counts = fields[COUNTS].copy()
    counts[at] = len(order)
    return {**fields, **altered, COUNTS: counts}


COLUMNS = ("ymin", "xmin", "ymax", "xmax", "label", "crowd", "difficult", "area")


def objects_of(truth: bytes) -> Fields:
    """The columns of packed ground truth."""
    rows = np.frombuffer(truth, "<f8").reshape(-1, len(COLUMNS))
    return {name: rows[:, k].copy() for k, name in enumerate(COLUMNS)}


def with_objects(truth: bytes, name: str, change: Change) -> bytes:
    """Alters a column of packed ground truth, or "objects": its rows."""
    columns = objects_of(truth)
    if name in columns:
        columns[name] = change(columns[name])
    else:
        order = change(np.arange(len(columns["area"])))
        columns = {name: column[order] for name, column in columns.items()}
    if len({len(column) for column in columns.values()}) > 1:
        raise Skip  # columns are not packed one by one
    return np.stack(list(columns.values()), axis=1).astype("<f8").tobytes()
