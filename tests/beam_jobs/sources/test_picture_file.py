"""Picture files are read whole or rejected with a reason, whatever they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_jobs.sources.picture_file import picture_file_shape, read_picture_file
from beam_jobs.sources.source import BadPicture

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_pixels_and_shape(tmp_path: Path) -> None:
    path = str(tmp_path / "picture.png")
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_picture_file(path), PIXELS)
    assert picture_file_shape(path) == (4, 6)


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "must be a file that can be read"),
        (Path.mkdir, "must be a file that can be read"),
        (to_a_device, "must be a file that can be read"),
        (Path.touch, "must be a picture"),
        (lambda path: None, "is missing$"),
        (
            lambda path: path.write_bytes(b"GIF89a..."),
            r"must be a picture \(JPEG, PNG, BMP, WEBP\), got something else$",
        ),
    ],
)
def test_no_picture(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    make(path)
    for read in (read_picture_file, picture_file_shape):
        with pytest.raises(BadPicture, match=f"^{path} {reason}"):
            read(str(path))
