"""Why images of a source cannot be read."""

from __future__ import annotations

from beam_jobs.sources.source import BadImage, Source


def reason_against(source: Source, reference: str) -> str | None:
    """Why an image cannot be read, or None. Where an image has pixels it has a size, and both have its shape."""
    try:
        height, width = source.shape(reference)
    except BadImage as error:
        header: str | None = str(error)
    else:
        header = None
    try:
        image = source.read(reference)
    except BadImage as error:
        return str(error)
    assert header is None and image.shape == (height, width, 3)
    return None


def reasons_of(source: Source) -> dict[str, str]:
    """The reasons against the images that cannot be read, by source id."""
    found = {item.source_id: reason_against(source, item.reference) for item in source.items()}
    return {name: reason for name, reason in found.items() if reason is not None}
