"""A view as a record stores it: one string of little-endian 32-bit words, so that a reader unpacks only what it shows.

The words are a header (`HEADER`), then the parts that `Parts` names, in its order. What training reads comes first.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compositions.view import Rectangle, View
from pipeline.geometry.targets import Targets

# The header's words, by their index.
SHOWN = 0  # ymin, xmin, height, width of the shown part, pixels of the image
PLACE = 4  # ymin, xmin, height, width of its place, pixels of the canvas
MIRRORED = 8
POSITIVES = 9  # P
IGNORED = 10  # I
BOXES = 11  # G
HEADER = 12  # words of it
WORD_BYTES = 4


class Parts(NamedTuple):
    """The index of each part's first word: of numbers, or of arrays and tensors with one number a view."""

    anchors: Any  # [P] int32: matched anchors, ascending
    objects: Any  # [P] int32: the box that each is matched with; its class is that box's label
    offsets: Any  # [P, 4] float32: cy, cx, h, w
    ignored: Any  # [I] int32: anchors that are neither object nor background, ascending
    labels: Any  # [G] int32
    boxes: Any  # [G, 4] float32: corners in [0, 1] of the canvas
    end: Any  # the number of words


def locate_parts(positives: Any, ignored: Any, boxes: Any) -> Parts:
    """Where the parts of views with P positives, I ignored anchors and G boxes begin.

    The one place that knows; NumPy and TensorFlow both use it. Training needs the words before the boxes.
    """
    lengths = (positives, positives, 4 * positives, ignored, boxes, 4 * boxes)
    return Parts(*itertools.accumulate(lengths, initial=HEADER))


@dataclass(frozen=True)
class RecordView:
    """A view of a record: how the image lies on the canvas, the ground truth there, and its encoded targets."""

    view: View
    boxes: NDArray[np.float32]  # [G, 4] corners in [0, 1] of the canvas
    labels: NDArray[np.int64]  # [G]
    targets: Targets


def pack_view(view: RecordView) -> bytes:
    """The words of a view; its targets' classes are those of its boxes.

    Raises `struct.error` if a number does not fit into 32 bits.
    """
    targets, how = view.targets, view.view
    shown, place = how.shown, how.place
    header = (
        *(shown.ymin, shown.xmin, shown.height, shown.width),
        *(place.ymin, place.xmin, place.height, place.width),
        *(how.mirrored, len(targets.anchors), len(targets.ignored), len(view.labels)),
    )
    ints = [*header, *targets.anchors.tolist(), *targets.objects.tolist()]
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
    counts = words[POSITIVES:HEADER].tolist()
    if min(counts) < 0:
        raise ValueError(f"view must have counts of at least 0, got {counts}")
    starts = locate_parts(*counts)
    if len(words) != starts.end:
        raise ValueError(f"view must have {starts.end} words by its counts, got {len(words)}")
    if words[MIRRORED] not in (0, 1):
        raise ValueError(f"mirrored must be 0 or 1, got {words[MIRRORED]}")
    bounds = [*starts, starts.end]
    part = Parts._make(words[a:b] for a, b in itertools.pairwise(bounds))
    anchors, objects, ignored, labels = (
        ints.astype(np.int64) for ints in (part.anchors, part.objects, part.ignored, part.labels)
    )
    offsets, boxes = (floats.view("<f4").astype(np.float32).reshape(-1, 4) for floats in (part.offsets, part.boxes))
    if len(objects) and not (objects.min() >= 0 and objects.max() < len(labels)):
        raise ValueError(f"objects must be in [0, {len(labels)}), got {objects.tolist()[:10]}")
    return RecordView(
        view=View(
            shown=Rectangle(*words[SHOWN:PLACE].tolist()),
            place=Rectangle(*words[PLACE:MIRRORED].tolist()),
            mirrored=bool(words[MIRRORED]),
        ),
        boxes=boxes,
        labels=labels,
        targets=Targets(anchors, labels[objects], offsets, ignored, objects),
    )
