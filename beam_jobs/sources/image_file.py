"""Reads image files from any of Beam's file systems. One that cannot be used raises `BadImage` with the reason."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import BinaryIO

from beam_jobs.sources.open_file import is_local, open_file
from beam_jobs.sources.source import BadImage
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError, printable
from pipeline.records.image_file import decode_image_file, image_shape

# Local errors that say that there is no image. None: `open_regular` found a folder, a FIFO or a device.
_NO_FILE = (None, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def read_image_file(path: str) -> RgbImage:
    """Decodes an image file, [h, w, 3] uint8 RGB, upright.

    Raises `BadImage` if it is missing or broken, and `UserError` if it may be whole but cannot be read now.
    """
    with _opened(path) as file:
        return decode_image_file(file)


def image_file_shape(path: str) -> Shape:
    """Height and width of the upright image in pixels, from the file's header. Raises like `read_image_file`."""
    with _opened(path) as file:
        return image_shape(file)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """Opens an image. A temporary error, such as a network failure, ends the job: a rejection would be permanent."""
    try:
        with open_file(path) as file:
            yield file
    except FileNotFoundError:
        raise BadImage(printable(f"{path} is missing")) from None
    except ValueError as error:  # of the decoder; or a name that no file can have
        raise BadImage(printable(f"{path} {error}")) from None
    except Exception as error:  # Beam's file systems raise errors of their own
        reason = f"{type(error).__name__}: {error}"
        if is_local(path) and isinstance(error, OSError) and error.errno in _NO_FILE:
            raise BadImage(printable(f"{path} must be a file that can be read, got {reason}")) from None
        raise UserError(
            printable(f"cannot read {path}: {reason}; once it can be read, run the same command again")
        ) from None
