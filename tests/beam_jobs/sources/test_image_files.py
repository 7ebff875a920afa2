"""Image files: listed and measured, locally and through Beam; read whole or rejected with a reason."""

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

from beam_jobs.sources import image_files
from beam_jobs.sources.image_files import (
    MISSING,
    contains_file,
    digest_folder,
    list_files,
    measure_files,
    read_image,
    read_shape,
    walk_files,
)
from beam_jobs.sources.source import BadImage
from pipeline.errors import UserError
from pipeline.records.image_file import is_image_name

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_pixels_and_shape(tmp_path: Path) -> None:
    path = str(tmp_path / "image.png")
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_image(path), PIXELS)
    assert read_shape(path) == (4, 6)


def to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "is no file that can be read"),
        (Path.mkdir, "is no file that can be read"),
        (to_a_device, "is no file that can be read"),
        (Path.touch, "is no image"),
        (lambda path: None, "is missing$"),
        (
            lambda path: path.write_bytes(b"GIF89a..."),
            r"is no image \(JPEG, PNG, BMP, WEBP\)$",
        ),
    ],
)
def test_no_image(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    make(path)
    for read in (read_image, read_shape):
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

    monkeypatch.setattr(image_files, "open_file", fail)
    for read in (read_image, read_shape):
        with pytest.raises(UserError, match=f"^cannot read {tmp_path}/a.png: {type(error).__name__}.*run the same"):
            read(f"{tmp_path}/a.png")


def test_memory_that_runs_out_while_an_image_is_decoded_is_not_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Image.Image, mode: str) -> Image.Image:
        raise MemoryError

    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(UserError, match=r"^cannot read .*MemoryError"):
        read_image(f"{tmp_path}/a.png")


def test_errors_of_an_object_store_are_not_taken_for_a_missing_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> BinaryIO:
        raise BeamIOError("the store is busy")

    monkeypatch.setattr(image_files, "open_file", fail)
    with pytest.raises(UserError, match=r"^cannot read gs://a/b\.jpg: BeamIOError: the store is busy"):
        read_image("gs://a/b.jpg")


FILES = {"a.jpg": 3, "sub/b.JPEG": 4, "sub/deep/c": 0, "d e.png": 1}


@pytest.fixture(params=["local", "beam"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of files, listed by ourselves or by Beam."""
    for name, size in {**FILES, ".hidden.jpg": 5, ".git/x.jpg": 5, "sub/._b.JPEG": 5}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    if request.param == "beam":
        monkeypatch.setattr(image_files, "is_local", lambda path: False)
    return str(tmp_path)


def test_files_and_sizes(folder: str) -> None:
    assert list_files(folder) == sorted(FILES)
    assert dict(walk_files(folder, sizes=True)) == FILES
    assert measure_files(folder, ["d e.png", "none.jpg", "sub/b.JPEG"]) == [1, MISSING, 4]


def test_what_a_place_contains_file(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/deep/b.PNG", "none/c.txt", "none/.d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "nowhere.jpg").symlink_to("away")
    found = {
        name for name in (*os.listdir(tmp_path), "absent.jpg") if contains_file(str(tmp_path / name), is_image_name)
    }
    assert found == {"a.jpg", "sub", "nowhere.jpg"}


def test_a_digest_of_images(folder: str) -> None:
    before, with_content = digest_folder(folder, check="sizes"), digest_folder(folder, check="content")
    Path(folder, "a.jpg").write_bytes(b"yyy")
    assert digest_folder(folder, check="sizes") == before
    assert digest_folder(folder, check="content") != with_content
    Path(folder, "a.jpg").write_bytes(b"xxxx")
    assert digest_folder(folder, check="sizes") != before
    Path(folder, "a.jpg").write_bytes(b"xxx")
    Path(folder, "notes.txt").write_bytes(b"no image")
    assert digest_folder(folder, check="content") == with_content
    Path(folder, "sub/deep/c").write_bytes(b"an image may have no extension")
    assert digest_folder(folder, check="sizes") != before
    Path(folder, "sub/deep/c").write_bytes(b"")
    assert digest_folder(folder, check="content") == with_content
    Path(folder, "a.jpg").rename(Path(folder, "b.jpg"))
    assert digest_folder(folder, check="sizes") != before


def test_links_and_circles(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    os.symlink(tmp_path, tmp_path / "circle")
    os.symlink("a.jpg", tmp_path / "b.jpg")
    os.symlink("nowhere", tmp_path / "c.jpg")
    assert dict(walk_files(str(tmp_path), sizes=True)) == {"a.jpg": 3, "b.jpg": 3, "c.jpg": MISSING}


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(UserError, match=f"there is no folder .*/{name}$"):
            list_files(str(tmp_path / name))


def test_names_of_images() -> None:
    assert all(map(is_image_name, ("a.jpg", "b.JPEG", "c/d.Png", "e.bmp", "f.WEBP")))
    assert not any(map(is_image_name, ("a", "jpg", "b.txt", "c.jpg.xml", ".jpg")))
