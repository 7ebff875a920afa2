"""A picture file, opened whole or not at all: a truncated one is a bad picture, not half a picture."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image

from beam_jobs.job import storage
from beam_jobs.sources.source import BadPicture
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MAX_PIXELS = 1 << 27  # a header that promises more is a fault, or an attack


def read_picture_file(path: str) -> Picture:
    """Decodes a picture file, [h, w, 3] uint8 RGB. Raises `BadPicture` if it is missing, truncated or no picture."""
    try:
        with _open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except BadPicture:
        raise
    except Exception as error:  # decoders raise whatever comes to them from broken bytes
        raise BadPicture(f"{path} must be a whole picture, got {type(error).__name__}: {error}") from None


def picture_file_shape(path: str) -> Shape:
    """Height and width from the file's header, pixels. Raises `BadPicture` like `read_picture_file`."""
    try:
        with _open(path) as image:
            return image.height, image.width
    except BadPicture:
        raise
    except Exception as error:
        raise BadPicture(f"{path} must be a picture, got {type(error).__name__}: {error}") from None


def _open(path: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of huge pictures: checked below
        image = Image.open(storage.open_file(path), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise BadPicture(f"{path} must have at most {MAX_PIXELS} pixels, got {image.height} x {image.width}")
    return image
