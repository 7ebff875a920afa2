"""Encodes and decodes the image of a record: `raw` bytes, `png` or `jpeg`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

PNG_LEVEL = 1
MAX_PIXELS = 1 << 27  # of an image: a header that claims more is broken, or an attack

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of JPEG; these three start other things


def encode_image(pixels: NDArray[np.uint8], image_format: str, *, jpeg_quality: int = 95) -> bytes:
    """[h, w, 3] uint8 RGB -> bytes: rows of RGB pixels (`raw`), or a PNG or JPEG file."""
    if image_format == "raw":
        return pixels.tobytes()
    png, jpeg = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    options = png if image_format == "png" else jpeg
    ok, encoded = cv2.imencode(f".{image_format}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise ValueError(f"OpenCV cannot encode an image of shape {pixels.shape} as {image_format}")
    return encoded.tobytes()


def decode_image(encoded: bytes, image_format: str, height: int, width: int) -> NDArray[np.uint8]:
    """The inverse of `encode_image`. -> [height, width, 3] uint8 RGB.

    Raises `ValueError` if it is not an image of this format and size. The size in its header is compared before
    anything is decoded, so no file can ask for more memory than the image takes.
    """
    if image_format == "raw":
        pixels = np.frombuffer(encoded, np.uint8)
        if pixels.size != height * width * 3:
            raise ValueError(f"raw image must have {height * width * 3} bytes, got {pixels.size}")
        return pixels.reshape(height, width, 3)
    stated = _png_size(encoded) if image_format == "png" else _jpeg_size(encoded)
    if stated != (height, width):
        got = "no image" if stated is None else f"{stated[0]}×{stated[1]}"
        raise ValueError(f"{image_format} image must have {height}×{width} pixels, got {got}")
    try:
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape != (height, width, 3):
        raise ValueError(f"{image_format} image cannot be decoded")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def _png_size(encoded: bytes) -> tuple[int, int] | None:
    """Height and width that the header of a PNG states; None if it is none."""
    if len(encoded) < 24 or not encoded.startswith(_PNG) or encoded[12:16] != b"IHDR":
        return None
    return int.from_bytes(encoded[20:24], "big"), int.from_bytes(encoded[16:20], "big")


def _jpeg_size(encoded: bytes) -> tuple[int, int] | None:
    """Height and width that the frame header of a JPEG states; None if there is none."""
    at = 2
    while encoded.startswith(_JPEG) and at + 9 <= len(encoded) and encoded[at] == 0xFF:
        if encoded[at + 1] in _FRAME_HEADERS:  # marker, length, bits of a sample, height, width
            return int.from_bytes(encoded[at + 5 : at + 7], "big"), int.from_bytes(encoded[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
