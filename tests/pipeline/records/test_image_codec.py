"""Image codecs: exact where they promise it, and a clear refusal of anything else."""

from __future__ import annotations

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest

from pipeline.config.records_config import IMAGE_FORMATS
from pipeline.records.image_codec import decode_image, encode_image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("image_format", ["raw", "png"])
def test_raw_and_png_keep_every_pixel(image_format: str) -> None:
    encoded = encode_image(PIXELS, image_format)
    np.testing.assert_array_equal(decode_image(encoded, image_format, 12, 7), PIXELS)


def test_jpeg_keeps_the_colours_in_their_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    decoded = decode_image(encode_image(red, "jpeg"), "jpeg", 16, 16)
    assert np.abs(decoded.astype(int) - red).max() < 6


def test_raw_is_rows_of_rgb() -> None:
    view = PIXELS[:, ::-1]
    assert encode_image(view, "raw") == bytes(view.reshape(-1).tolist())


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
@pytest.mark.parametrize("size", [(7, 13), (12, 8), (0, 0)])
def test_another_size_is_refused(image_format: str, size: tuple[int, int]) -> None:
    encoded = encode_image(PIXELS, image_format)
    with pytest.raises(ValueError, match=f"^{image_format} image must have"):
        decode_image(encoded, image_format, *size)


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
@pytest.mark.parametrize("encoded", [b"", b"no image"])
def test_what_is_no_image_is_refused(image_format: str, encoded: bytes) -> None:
    with pytest.raises(ValueError, match=f"^{image_format} image must have"):
        decode_image(encoded, image_format, 12, 7)


def bomb(image_format: str) -> bytes:
    """A small file whose header states a huge image."""
    encoded = bytearray(encode_image(PIXELS, image_format))
    if image_format == "png":
        encoded[16:24] = struct.pack(">II", 10**6, 10**6)
        encoded[29:33] = struct.pack(">I", zlib.crc32(encoded[12:29]))
    else:
        start_of_frame = encoded.index(b"\xff\xc0")
        encoded[start_of_frame + 5 : start_of_frame + 9] = struct.pack(">HH", 65_000, 65_000)
    return bytes(encoded)


@pytest.mark.parametrize(("image_format", "stated"), [("png", "1000000×1000000"), ("jpeg", "65000×65000")])
def test_a_header_that_states_another_size_is_refused_before_anything_is_decoded(
    image_format: str, stated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the image was decoded"))
    with pytest.raises(ValueError, match=rf"^{image_format} image must have 12×7 pixels, got {stated}$"):
        decode_image(bomb(image_format), image_format, 12, 7)


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_an_image_that_is_cut_off_raises_nothing_but_value_errors(image_format: str) -> None:
    encoded = encode_image(PIXELS, image_format)
    for end in range(len(encoded) - 1):
        with contextlib.suppress(ValueError):  # decoders make up for an end that is missing
            assert decode_image(encoded[:end], image_format, 12, 7).shape == (12, 7, 3)
