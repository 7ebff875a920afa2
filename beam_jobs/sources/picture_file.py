"""Reads a picture file whole or not at all: a truncated file is a bad picture, not half a picture."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image

from beam_jobs.sources.open_file import open_file
from beam_jobs.sources.source import BadPicture
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MAX_PIXELS = 1 << 27  # a header that claims more is broken, or an attack


def read_picture_file(path: str) -> Picture:
    """Decodes a picture file, [h, w, 3] uint8 RGB. Raises `BadPicture` if it is missing, truncated or no picture."""
    with _opened(path) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def picture_file_shape(path: str) -> Shape:
    """Height and width from the file's header, pixels. Raises `BadPicture` if it is missing or no picture."""
    with _opened(path) as image:
        return image.height, image.width


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    try:
        with open_file(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about huge pictures, which are checked below
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    size = f"{image.height} x {image.width}"
                    raise BadPicture(f"{path} must have at most {MAX_PIXELS} pixels, got {size}")
                yield image
    except BadPicture:
        raise
    except Exception as error:  # decoders may raise anything when bytes are broken
        raise BadPicture(f"{path} must be a whole picture, got {type(error).__name__}: {error}") from None
