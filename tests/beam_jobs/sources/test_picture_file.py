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


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, to_a_device, Path.touch, lambda path: None])
def test_no_picture(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    make(path)
    for read in (read_picture_file, picture_file_shape):
        with pytest.raises(BadPicture, match=rf"^{path} must be a whole picture, got "):
            read(str(path))
