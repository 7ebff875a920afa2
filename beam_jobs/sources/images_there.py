"""Whether a set's images are there at all: if none is, it is the folder or the names that are wrong."""

from __future__ import annotations

from collections.abc import Iterable

from beam_jobs.sources.image_reference import path_inside, split_reference
from beam_jobs.sources.listing import MISSING, sizes_of
from beam_jobs.sources.source import BadImage, Item
from pipeline.errors import UserError, counted, printable


def check_that_images_are_there(items: Iterable[Item], folders: tuple[str, ...]) -> None:
    """Raises `UserError` if there are items, but none has an image. Stops at the first item that has one.

    Args:
        items: of a source.
        folders: the image folders, which references name by their number.
    """
    missing, faults = [], []
    for item in items:
        try:
            folder, name = split_reference(item.reference)
            path = path_inside(folders[folder], name)
        except BadImage as reason:
            faults.append(f"{item.source_id}: {reason}")
            continue
        if sizes_of(folders[folder], [name]) != [MISSING]:
            return
        missing.append(path)
    if missing:
        raise UserError(
            f"no image is there: looked for {counted(len(missing), 'image')}, such as {printable(missing[0])}"
        )
    if faults:
        raise UserError(
            f"no image can be used: looked at {counted(len(faults), 'image')}, such as {printable(faults[0])}"
        )
