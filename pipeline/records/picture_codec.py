"""Encodes and decodes the picture of a record: `raw` bytes, `png` or `jpeg`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

PNG_LEVEL = 1
JPEG_QUALITY = 95


def encode_picture(pixels: NDArray[np.uint8], picture_format: str) -> bytes:
    """[h, w, 3] uint8 RGB -> bytes: rows of RGB pixels (`raw`), or a PNG or JPEG file."""
    if picture_format == "raw":
        return pixels.tobytes()
    png, jpeg = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    options = png if picture_format == "png" else jpeg
    ok, encoded = cv2.imencode(f".{picture_format}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise ValueError(f"OpenCV cannot encode a picture of shape {pixels.shape} as {picture_format}")
    return encoded.tobytes()


def decode_picture(encoded: bytes, picture_format: str, height: int, width: int) -> NDArray[np.uint8]:
    """The inverse of `encode_picture`. -> [height, width, 3] uint8 RGB. Raises `ValueError` for any other size."""
    if picture_format == "raw":
        pixels = np.frombuffer(encoded, np.uint8)
        if pixels.size != height * width * 3:
            raise ValueError(f"raw picture must have {height * width * 3} bytes, got {pixels.size}")
        return pixels.reshape(height, width, 3)
    try:
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
    except cv2.error:  # a header that claims more pixels than OpenCV takes
        decoded = None
    if decoded is None or decoded.shape != (height, width, 3):
        got = "no picture" if decoded is None else f"{decoded.shape[0]}×{decoded.shape[1]}"
        raise ValueError(f"{picture_format} picture must have {height}×{width} pixels, got {got}")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
