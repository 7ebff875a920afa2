"""Whether a set's pictures are there at all: if none is, it is the folder or the names that are wrong."""

from __future__ import annotations

from collections.abc import Iterable

from beam_jobs.sources.listing import MISSING, sizes_of
from beam_jobs.sources.picture_reference import path_inside, split_reference
from beam_jobs.sources.source import BadPicture, Item
from pipeline.errors import UserError, counted, printable


def check_that_pictures_are_there(items: Iterable[Item], folders: tuple[str, ...]) -> None:
    """Raises `UserError` if there are items, but none has a picture. Stops at the first item that has one.

    Args:
        items: of a source.
        folders: the picture folders, which references name by their number.
    """
    missing, faults = [], []
    for item in items:
        try:
            folder, name = split_reference(item.reference)
            path = path_inside(folders[folder], name)
        except BadPicture as reason:
            faults.append(f"{item.source_id}: {reason}")
            continue
        if sizes_of(folders[folder], [name]) != [MISSING]:
            return
        missing.append(path)
    if missing:
        raise UserError(
            f"no picture is there: looked for {counted(len(missing), 'picture')}, such as {printable(missing[0])}"
        )
    if faults:
        raise UserError(
            f"no picture can be used: looked at {counted(len(faults), 'picture')}, such as {printable(faults[0])}"
        )
