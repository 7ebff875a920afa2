"""Reads picture files from any of Beam's file systems. One that cannot be used raises `BadPicture` with the reason."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import BinaryIO

from beam_jobs.sources.open_file import is_local, open_file
from beam_jobs.sources.source import BadPicture
from pipeline.errors import UserError, printable
from pipeline.records.picture_file import decode_picture_file, picture_shape
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape

# Local errors that say that there is no picture. None: `open_regular` found a folder, a FIFO or a device.
_NO_FILE = (None, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def read_picture_file(path: str) -> Picture:
    """Decodes a picture file, [h, w, 3] uint8 RGB, upright.

    Raises `BadPicture` if it is missing or broken, and `UserError` if it may be whole but cannot be read now.
    """
    with _opened(path) as file:
        return decode_picture_file(file)


def picture_file_shape(path: str) -> Shape:
    """Height and width of the upright picture in pixels, from the file's header. Raises like `read_picture_file`."""
    with _opened(path) as file:
        return picture_shape(file)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """Opens a picture. A temporary error, such as a network failure, ends the job: a rejection would be permanent."""
    try:
        with open_file(path) as file:
            yield file
    except FileNotFoundError:
        raise BadPicture(printable(f"{path} is missing")) from None
    except ValueError as error:  # of the decoder; or a name that no file can have
        raise BadPicture(printable(f"{path} {error}")) from None
    except Exception as error:  # Beam's file systems raise errors of their own
        reason = f"{type(error).__name__}: {error}"
        if is_local(path) and isinstance(error, OSError) and error.errno in _NO_FILE:
            raise BadPicture(printable(f"{path} must be a file that can be read, got {reason}")) from None
        raise UserError(
            printable(f"cannot read {path}: {reason}; once it can be read, run the same command again")
        ) from None
