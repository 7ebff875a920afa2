"""Decodes image files of any pixel format to upright 8-bit RGB. A broken file is an error."""

from __future__ import annotations

import contextlib
import os
import struct
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.compositions.composition import MAX_IMAGE
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.records.image_codec import MAX_PIXELS

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # decided by the bytes, never by the file's name
# Extensions of image files, in lower case. Files of the other formats are listed too, and then rejected.
SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp"))
_OTHER_SUFFIXES = frozenset((".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2"))
_ORIENTATION = 0x0112  # tag of EXIF 2.32, table 4
_BAND = 1 << 18  # pixels that are blended at a time
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap height and width


def is_image_name(name: str) -> bool:
    """Whether a file's name ends as an image's, in any case. Not all of these formats can be read."""
    return os.path.splitext(name)[1].lower() in SUFFIXES | _OTHER_SUFFIXES


def decode_image_file(file: BinaryIO) -> RgbImage:
    """Decodes an image whole or not at all.

    It is turned upright by its EXIF orientation. Gray, palette and CMYK become RGB. Of 16 bits the upper 8 are kept,
    so nothing is clipped. What is transparent is blended with black, the colour of the canvas.

    Args:
        file: open for reading and seeking.

    Returns:
        [h, w, 3] uint8 RGB, contiguous.

    Raises `ValueError` if the file is truncated, broken, too large or of another format. Any error of the disk is an
    `OSError`.
    """
    with _open(file) as image:
        orientation = _find_orientation(image)  # before the pixels are loaded, as in `read_image_shape`
        pixels = _rgb(image)
    return np.ascontiguousarray(_turn_upright(pixels, orientation))


def read_image_shape(file: BinaryIO) -> Shape:
    """Height and width of the upright image in pixels, from the file's header. Raises like `decode_image_file`."""
    with _open(file) as image:
        sideways = _find_orientation(image) in _SIDEWAYS
        return (image.width, image.height) if sideways else (image.height, image.width)


@contextlib.contextmanager
def _open(file: BinaryIO) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about huge images, which are checked below, and odd metadata
            with Image.open(file, formats=FORMATS) as image:
                if not 0 < image.width * image.height <= MAX_PIXELS:
                    raise ValueError(f"must have at most {MAX_PIXELS} pixels, got {image.height} x {image.width}")
                if max(image.width, image.height) > MAX_IMAGE:
                    raise ValueError(
                        f"must have sides of at most {MAX_IMAGE} pixels, got {image.height} x {image.width}"
                    )
                yield image
    except (ValueError, MemoryError):  # its size was checked, so it is not the image that takes the memory
        raise
    except Image.UnidentifiedImageError:
        raise ValueError(f"is no image ({', '.join(FORMATS)})") from None
    except OSError as error:
        if error.errno is not None:  # of the disk; Pillow's own have no number
            raise
        raise ValueError(f"cannot be decoded: {error}") from None
    except Exception as error:  # decoders may raise anything when bytes are broken
        raise ValueError(f"cannot be decoded: {type(error).__name__}: {error}") from None


def _find_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none or the EXIF data are broken, as they often are."""
    data = image.info.get("exif")
    if not isinstance(data, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        value = exif.get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error):
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """The stored pixels as RGB, not yet turned upright, [h, w, 3]."""
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow's own conversion would clip at 255
        gray = (np.asarray(image).clip(0, 65_535) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return _blend_with_black(image)
    return np.asarray(image.convert("RGB"), np.uint8)


def _blend_with_black(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels with transparency, blended with black, [h, w, 3]; in bands, because blending takes 24 bytes a pixel."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        rgba = np.asarray(band.convert("RGBA"), np.uint16)
        pixels[top : top + rows] = (rgba[:, :, :3] * rgba[:, :, 3:] + 127) // 255
    return pixels


def _turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undoes an EXIF orientation: swaps rows and columns if need be, then mirrors."""
    if orientation in _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):  # the first row is at the bottom
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):  # the first column is on the right
        pixels = pixels[:, ::-1]
    return pixels
