"""Picture codecs: exact where they promise it, and a clear refusal of anything else."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.records_config import PICTURE_FORMATS
from pipeline.records.picture_codec import decode_picture, encode_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("picture_format", ["raw", "png"])
def test_raw_and_png_keep_every_pixel(picture_format: str) -> None:
    encoded = encode_picture(PIXELS, picture_format)
    np.testing.assert_array_equal(decode_picture(encoded, picture_format, 12, 7), PIXELS)


def test_jpeg_keeps_the_colours_in_their_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    decoded = decode_picture(encode_picture(red, "jpeg"), "jpeg", 16, 16)
    assert np.abs(decoded.astype(int) - red).max() < 6


def test_raw_is_rows_of_rgb() -> None:
    view = PIXELS[:, ::-1]
    assert encode_picture(view, "raw") == bytes(view.reshape(-1).tolist())


@pytest.mark.parametrize("picture_format", PICTURE_FORMATS)
@pytest.mark.parametrize("size", [(7, 13), (12, 8), (0, 0)])
def test_another_size_is_refused(picture_format: str, size: tuple[int, int]) -> None:
    encoded = encode_picture(PIXELS, picture_format)
    with pytest.raises(ValueError, match=f"^{picture_format} picture must have"):
        decode_picture(encoded, picture_format, *size)


@pytest.mark.parametrize("picture_format", PICTURE_FORMATS)
@pytest.mark.parametrize("encoded", [b"", b"no picture"])
def test_what_is_no_picture_is_refused(picture_format: str, encoded: bytes) -> None:
    with pytest.raises(ValueError, match=f"^{picture_format} picture must have"):
        decode_picture(encoded, picture_format, 12, 7)


def test_a_header_that_claims_more_pixels_than_any_is_refused() -> None:
    encoded = bytearray(encode_picture(PIXELS, "jpeg"))
    start_of_frame = encoded.index(b"\xff\xc0")
    encoded[start_of_frame + 5 : start_of_frame + 9] = b"\xfd\xe8\xfd\xe8"  # 65,000 by 65,000
    with pytest.raises(ValueError, match=r"^jpeg picture must have 12×7 pixels, got no picture"):
        decode_picture(bytes(encoded), "jpeg", 12, 7)
