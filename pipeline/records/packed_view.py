"""A view as a record stores it: one string of little-endian 32-bit words, so that a reader unpacks only what it shows.

The words are: a header (`HEADER`), then for P positives, I ignored anchors and G boxes

    anchors [P], classes [P], offsets [P, 4] (float32), ignored [I], labels [G], boxes [G, 4] (float32).
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.targets import Targets
from pipeline.views.placement import Rectangle
from pipeline.views.view import View

# The header's words, by their index.
SHOWN = 0  # ymin, xmin, height, width of the shown part, pixels of the image
PLACE = 4  # ymin, xmin, height, width of its place, pixels of the canvas
MIRRORED = 8
POSITIVES = 9  # P
IGNORED = 10  # I
BOXES = 11  # G
HEADER = 12  # words of it
POSITIVE_WORDS = 6  # of each positive: anchor, class, offsets
BOX_WORDS = 5  # of each box: label, corners
WORD_BYTES = 4


@dataclass(frozen=True)
class RecordView:
    """A view of a record: how the image lies on the canvas, the ground truth there, and its encoded targets."""

    view: View
    boxes: NDArray[np.float32]  # [G, 4] corners in [0, 1] of the canvas
    labels: NDArray[np.int64]  # [G]
    targets: Targets


def pack_view(view: RecordView) -> bytes:
    """The words of a view. Raises `struct.error` if a number does not fit into 32 bits."""
    targets, how = view.targets, view.view
    shown, place = how.shown, how.place
    header = (
        *(shown.ymin, shown.xmin, shown.height, shown.width),
        *(place.ymin, place.xmin, place.height, place.width),
        *(how.mirrored, len(targets.anchors), len(targets.ignored), len(view.labels)),
    )
    ints = [*header, *targets.anchors.tolist(), *targets.classes.tolist()]
    return b"".join(
        (
            _ints(ints),
            targets.offsets.astype("<f4", copy=False).tobytes(),
            _ints([*targets.ignored.tolist(), *view.labels.tolist()]),
            view.boxes.astype("<f4", copy=False).tobytes(),
        )
    )


def _ints(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def unpack_view(packed: bytes) -> RecordView:
    """The inverse of `pack_view`. Raises `ValueError` if the words are not whole, or not as many as the header says."""
    if len(packed) % WORD_BYTES or len(packed) < HEADER * WORD_BYTES:
        least = HEADER * WORD_BYTES
        raise ValueError(f"view must have a multiple of {WORD_BYTES} bytes, at least {least}, got {len(packed)}")
    words = np.frombuffer(packed, "<i4")
    positives, ignored, boxes = words[POSITIVES:HEADER].tolist()
    if min(positives, ignored, boxes) < 0:
        raise ValueError(f"view must have counts of at least 0, got {[positives, ignored, boxes]}")
    expected = HEADER + POSITIVE_WORDS * positives + ignored + BOX_WORDS * boxes
    if len(words) != expected:
        raise ValueError(f"view must have {expected} words by its counts, got {len(words)}")
    if words[MIRRORED] not in (0, 1):
        raise ValueError(f"mirrored must be 0 or 1, got {words[MIRRORED]}")
    ends = np.cumsum([HEADER, positives, positives, 4 * positives, ignored, boxes, 4 * boxes]).tolist()
    parts = [words[a:b] for a, b in itertools.pairwise(ends)]
    anchors, classes, ignored_anchors, labels = (parts[k].astype(np.int64) for k in (0, 1, 3, 4))
    offsets, corners = (parts[k].view("<f4").astype(np.float32).reshape(-1, 4) for k in (2, 5))
    return RecordView(
        view=View(
            shown=Rectangle(*words[SHOWN:PLACE].tolist()),
            place=Rectangle(*words[PLACE:MIRRORED].tolist()),
            mirrored=bool(words[MIRRORED]),
        ),
        boxes=corners,
        labels=labels,
        targets=Targets(anchors, classes, offsets, ignored_anchors, np.full(positives, -1)),  # objects: not stored yet,
    )
