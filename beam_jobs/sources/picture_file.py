"""Reads picture files from any of Beam's file systems; one that cannot be used is a bad picture with a reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from beam_jobs.sources.open_file import open_file
from beam_jobs.sources.source import BadPicture
from pipeline.errors import printable
from pipeline.records.picture_file import decode_picture, picture_shape
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape


def read_picture_file(path: str) -> Picture:
    """Decodes a picture file, [h, w, 3] uint8 RGB, upright. Raises `BadPicture` if it is missing or broken."""
    with _opened(path) as file:
        return decode_picture(file)


def picture_file_shape(path: str) -> Shape:
    """Height and width of the upright picture in pixels, from the file's header. Raises `BadPicture`."""
    with _opened(path) as file:
        return picture_shape(file)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with open_file(path) as file:
            yield file
    except FileNotFoundError:
        raise BadPicture(printable(f"{path} is missing")) from None
    except ValueError as error:  # of the decoder; or a name that no file can have
        raise BadPicture(printable(f"{path} {error}")) from None
    except Exception as error:  # Beam's file systems raise errors of their own
        reason = f"must be a file that can be read, got {type(error).__name__}: {error}"
        raise BadPicture(printable(f"{path} {reason}")) from None
