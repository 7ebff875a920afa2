"""Whatever is in an image file becomes upright 8-bit RGB, or an error that says what is wrong with it."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.compositions.random_bits import RandomBits
from pipeline.records import image_file
from pipeline.records.image_file import decode_image_file, read_image_shape

SMOOTH = np.stack(np.broadcast_arrays(np.arange(40)[:, None] * 5, np.arange(60) * 4, np.full((40, 60), 90)), 2)
PIXELS = SMOOTH.astype(np.uint8)  # [40, 60, 3]


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(data: bytes) -> NDArray[np.uint8]:
    image = decode_image_file(io.BytesIO(data))
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.flags.c_contiguous
    assert read_image_shape(io.BytesIO(data)) == image.shape[:2]
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "JPEG"])
def test_formats(kind: str) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}
    off = decoded(encoded(Image.fromarray(PIXELS), kind, **options.get(kind, {}))).astype(int) - PIXELS
    assert abs(off).max() <= (6 if kind == "JPEG" else 0)


def test_a_phone_image_of_several_frames_is_its_first() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    second = Image.new("RGB", (60, 40))
    data = encoded(
        Image.fromarray(PIXELS), "MPO", save_all=True, append_images=[second], quality=95, exif=exif.tobytes()
    )
    off = decoded(data).astype(int) - np.rot90(PIXELS, -1)
    assert abs(off).max() <= 6


def test_a_progressive_jpeg_is_like_another() -> None:
    image = Image.fromarray(PIXELS)
    plain, progressive = (decoded(encoded(image, "JPEG", quality=90, progressive=p)) for p in (False, True))
    np.testing.assert_array_equal(plain, progressive)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(PIXELS), kind, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(decoded(data), np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0II*\0"]
)
def test_broken_exif_data_turn_nothing(exif: bytes) -> None:
    data = encoded(Image.fromarray(PIXELS), "JPEG", exif=exif)
    np.testing.assert_array_equal(decoded(data), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_unknown_orientation_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(PIXELS), exif=exif.tobytes())), PIXELS)


def test_gray_palette_and_one_bit() -> None:
    gray = Image.fromarray(PIXELS[:, :, 0])
    np.testing.assert_array_equal(decoded(encoded(gray)), np.repeat(PIXELS[:, :, :1], 3, 2))
    few = Image.fromarray(PIXELS // 64 * 64).quantize(64)
    np.testing.assert_array_equal(decoded(encoded(few)), np.asarray(few.convert("RGB")))
    bits = gray.point(lambda value: 255 * (value > 99)).convert("1")
    np.testing.assert_array_equal(decoded(encoded(bits))[:, :, 1], (PIXELS[:, :, 0] > 99) * 255)


def test_what_is_transparent_is_black() -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[10:20], alpha[20:] = 128, 255
    shown = decoded(encoded(Image.fromarray(np.dstack([PIXELS, alpha])))).astype(float)
    assert abs(shown - PIXELS * (alpha[:, :, None] / 255)).max() <= 0.5
    np.testing.assert_array_equal(shown[20:], PIXELS[20:])
    gray = decoded(encoded(Image.fromarray(np.dstack([PIXELS[:, :, 0], alpha]), "LA")))
    np.testing.assert_array_equal(gray[20:, :, 2], PIXELS[20:, :, 0])
    assert not gray[:10].any()
    palette = Image.fromarray(PIXELS[:, :, 0]).convert("P")
    one_colour = decoded(encoded(palette, transparency=50))
    np.testing.assert_array_equal(one_colour[:, :, 0], np.where(PIXELS[:, :, 0] == 50, 0, PIXELS[:, :, 0]))


@pytest.mark.parametrize("rows", [1, 7, 40])
@pytest.mark.parametrize("kind", ["RGBA", "LA", "RGB", "L", "P", "P of many"])
def test_blending_in_bands_is_blending_the_whole(kind: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.frombuffer(np.random.Generator(np.random.Philox(1)).bytes(40 * 60 * 4), np.uint8).reshape(40, 60, 4)
    options: dict[str, Any] = {}
    if kind in ("RGBA", "LA"):
        image = Image.fromarray(noise).convert(kind)
    else:
        image = Image.fromarray(noise[:, :, :3]).convert(kind.partition(" ")[0])
        options["transparency"] = bytes(range(256)) if kind == "P of many" else image.getpixel((0, 0))
    data = encoded(image, **options)
    rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), np.uint16)
    assert (rgba[:, :, 3] < 255).any()
    monkeypatch.setattr(image_file, "_BAND", rows * 60 + 59)
    np.testing.assert_array_equal(decoded(data), (rgba[:, :, :3] * rgba[:, :, 3:] + 127) // 255)


def test_memory_of_a_transparent_image() -> None:
    """It took 24 bytes a pixel beside Pillow's own: 3 GiB for the largest, of 0.5 MB."""
    data = encoded(Image.new("RGBA", (2000, 2000)))
    tracemalloc.start()  # sees NumPy's memory, and not Pillow's
    decode_image_file(io.BytesIO(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2000 * 2000


def test_cmyk() -> None:
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    off = decoded(encoded(cmyk, "JPEG", quality=95)).astype(int) - PIXELS
    assert abs(off).max() <= 12


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_scaled_and_not_clipped(channels: int) -> None:
    deep = np.linspace(0, 65_535, 40 * 60 * channels).astype(np.uint16).reshape(40, 60, channels)
    done, data = cv2.imencode(".png", deep)  # takes BGR
    assert done
    np.testing.assert_array_equal(decoded(data.tobytes()), np.broadcast_to(deep[:, :, ::-1] >> 8, (40, 60, 3)))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (257, 3)])
def test_any_size(size: tuple[int, int]) -> None:
    assert decoded(encoded(Image.new("RGB", size[::-1], (1, 2, 3)))).shape == (*size, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.95])
def test_a_truncated_image_is_an_error(kind: str, share: float) -> None:
    noise = np.frombuffer(np.random.Generator(np.random.Philox(1)).bytes(200 * 100 * 3), np.uint8)
    data = encoded(Image.fromarray(noise.reshape(200, 100, 3)), kind)
    with pytest.raises(ValueError, match="cannot be decoded: "):
        decode_image_file(io.BytesIO(data[: int(len(data) * share)]))


def test_other_formats_and_huge_images_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"no image", encoded(Image.fromarray(PIXELS), "GIF")):
        with pytest.raises(ValueError, match="is no image"):
            decode_image_file(io.BytesIO(data))
    monkeypatch.setattr(image_file, "MAX_PIXELS", 40 * 60 - 1)
    with pytest.raises(ValueError, match="must have at most 2399 pixels, got 40 x 60"):
        read_image_shape(io.BytesIO(encoded(Image.fromarray(PIXELS))))


def test_a_side_that_no_record_can_hold_is_an_error() -> None:
    for shape in ((1, 65_501), (65_501, 1)):
        data = encoded(Image.fromarray(np.zeros((*shape, 3), np.uint8)))
        with pytest.raises(ValueError, match="must have sides of at most 65500 pixels, got"):
            read_image_shape(io.BytesIO(data))
    assert read_image_shape(io.BytesIO(encoded(Image.fromarray(np.zeros((1, 65_500, 3), np.uint8))))) == (1, 65_500)


def test_an_error_of_the_disk_stays_one() -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        decode_image_file(Broken(b"x"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_mutated_images_raise_nothing_but_value_errors(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(Image.fromarray(PIXELS), kind, **({} if kind == "BMP" else {"exif": exif.tobytes()}))
    for number in range(250):
        bits, data = RandomBits(7, f"{kind} {number}"), bytearray(whole)
        for _ in range(1 + bits.below(4)):
            data[bits.below(len(data) if bits.below(2) else min(len(data), 120))] = bits.below(256)
        try:
            decode_image_file(io.BytesIO(bytes(data)))
        except ValueError as error:
            assert str(error).startswith(("must ", "is no image (", "cannot be decoded: ")), error
