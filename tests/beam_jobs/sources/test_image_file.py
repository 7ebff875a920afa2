"""Image files are read whole or rejected with a reason, whatever they are."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from apache_beam.io.filesystem import BeamIOError
from PIL import Image

from beam_jobs.sources import image_file
from beam_jobs.sources.image_file import image_file_shape, read_image_file
from beam_jobs.sources.source import BadImage
from pipeline.errors import UserError

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_pixels_and_shape(tmp_path: Path) -> None:
    path = str(tmp_path / "image.png")
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_image_file(path), PIXELS)
    assert image_file_shape(path) == (4, 6)


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "must be a file that can be read"),
        (Path.mkdir, "must be a file that can be read"),
        (to_a_device, "must be a file that can be read"),
        (Path.touch, "must be an image"),
        (lambda path: None, "is missing$"),
        (
            lambda path: path.write_bytes(b"GIF89a..."),
            r"must be an image \(JPEG, PNG, BMP, WEBP\), got something else$",
        ),
    ],
)
def test_no_image(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    make(path)
    for read in (read_image_file, image_file_shape):
        with pytest.raises(BadImage, match=f"^{path} {reason}"):
            read(str(path))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
    ],
)
def test_an_error_that_may_pass_ends_the_job_and_rejects_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejection would stay in the shard's receipt, even after the image can be read again."""

    def fail(path: str) -> BinaryIO:
        raise error

    monkeypatch.setattr(image_file, "open_file", fail)
    for read in (read_image_file, image_file_shape):
        with pytest.raises(UserError, match=f"^cannot read {tmp_path}/a.png: {type(error).__name__}.*run the same"):
            read(f"{tmp_path}/a.png")


def test_memory_that_runs_out_while_a_image_is_decoded_is_not_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Image.Image, mode: str) -> Image.Image:
        raise MemoryError

    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(UserError, match=r"^cannot read .*MemoryError"):
        read_image_file(f"{tmp_path}/a.png")


def test_errors_of_an_object_store_are_not_taken_for_a_missing_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> BinaryIO:
        raise BeamIOError("the store is busy")

    monkeypatch.setattr(image_file, "open_file", fail)
    with pytest.raises(UserError, match=r"^cannot read gs://a/b\.jpg: BeamIOError: the store is busy"):
        read_image_file("gs://a/b.jpg")
