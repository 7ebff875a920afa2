"""Images of another size than their annotations say, because they were resized or rotated afterwards."""

from __future__ import annotations

import contextlib
import heapq

from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.source import BadImage
from pipeline.compositions.view import Shape
from pipeline.errors import counted, printable
from pipeline.records.keys import hash63

SAMPLE = 1000  # images


def declared_shape(height: object, width: object) -> Shape | None:
    """A declared size as the shape of an image, or None if it is not one: tools that do not know it write 0."""
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    return None


def size_notes(source: ImageSet) -> list[str]:
    """A line for the terminal if images of a sample, chosen by hash, differ from their declared size; else none.

    Boxes are taken as pixels of the file's upright image in any case: declared sizes are often wrong themselves.
    """
    declared = (item for item in source.items() if item.declared is not None)
    differing: list[tuple[str, Shape, Shape]] = []
    sample = heapq.nsmallest(SAMPLE, declared, key=lambda item: hash63(f"sizes/{item.source_id}"))
    for item in sample:
        with contextlib.suppress(BadImage):  # the job itself counts it and says why
            shape = source.shape(item.reference)
            if item.declared is not None and shape != item.declared:
                differing.append((item.source_id, shape, item.declared))
    if not differing:
        return []
    name, (height, width), (said_height, said_width) = differing[0]
    return [
        printable(
            f"note: {len(differing):,} of {counted(len(sample), 'image')} looked at have another size than the "
            f"annotations say, such as {name}: {width} x {height} pixels (upright), not {said_width} x {said_height}. "
            "Boxes are taken as pixels of the upright image: look at some with `make pictures`"
        )
    ]
