"""Why pictures of a source cannot be read."""

from __future__ import annotations

from beam_jobs.sources.source import BadPicture, Source


def reason_against(source: Source, reference: str) -> str | None:
    """Why a picture cannot be read, or None. Where a picture has pixels it has a size, and both have its shape."""
    try:
        height, width = source.shape(reference)
    except BadPicture as error:
        header: str | None = str(error)
    else:
        header = None
    try:
        picture = source.read(reference)
    except BadPicture as error:
        return str(error)
    assert header is None and picture.shape == (height, width, 3)
    return None


def reasons_of(source: Source) -> dict[str, str]:
    """The reasons against the pictures that cannot be read, by source id."""
    found = {item.source_id: reason_against(source, item.reference) for item in source.items()}
    return {name: reason for name, reason in found.items() if reason is not None}
