"""Reads a picture file for detection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.files import open_regular
from pipeline.views.collage import Picture


def read_picture(path: Path) -> Picture:
    """The pixels of a picture file, upright by its EXIF orientation, [h, w, 3] uint8 RGB.

    Raises `ValueError` if it is broken or no picture, `OSError` if it cannot be read.
    """
    with open_regular(path) as file:
        try:
            with Image.open(file) as image:
                return np.ascontiguousarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
        except Exception as error:  # decoders may raise anything when bytes are broken
            raise ValueError(f"must be a whole picture, got {type(error).__name__}: {error}") from None
