"""Listing a folder and the digest of its images, on local disks and through Beam's file systems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_jobs.sources import listing
from beam_jobs.sources.folder_digest import folder_digest
from beam_jobs.sources.listing import MISSING, holds, list_files, sizes_of, walk
from pipeline.errors import UserError
from pipeline.records.image_file import is_image_name

FILES = {"a.jpg": 3, "sub/b.JPEG": 4, "sub/deep/c": 0, "d e.png": 1}


@pytest.fixture(params=["local", "beam"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of files, listed by ourselves or by Beam."""
    for name, size in {**FILES, ".hidden.jpg": 5, ".git/x.jpg": 5, "sub/._b.JPEG": 5}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    if request.param == "beam":
        monkeypatch.setattr(listing, "is_local", lambda path: False)
    return str(tmp_path)


def test_files_and_sizes(folder: str) -> None:
    assert list_files(folder) == sorted(FILES)
    assert dict(walk(folder, sizes=True)) == FILES
    assert sizes_of(folder, ["d e.png", "none.jpg", "sub/b.JPEG"]) == [1, MISSING, 4]


def test_what_a_place_holds(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/deep/b.PNG", "none/c.txt", "none/.d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "nowhere.jpg").symlink_to("away")
    found = {name for name in (*os.listdir(tmp_path), "absent.jpg") if holds(str(tmp_path / name), is_image_name)}
    assert found == {"a.jpg", "sub", "nowhere.jpg"}


def test_a_digest_of_images(folder: str) -> None:
    before, with_content = folder_digest(folder, check="sizes"), folder_digest(folder, check="content")
    Path(folder, "a.jpg").write_bytes(b"yyy")
    assert folder_digest(folder, check="sizes") == before
    assert folder_digest(folder, check="content") != with_content
    Path(folder, "a.jpg").write_bytes(b"xxxx")
    assert folder_digest(folder, check="sizes") != before
    Path(folder, "a.jpg").write_bytes(b"xxx")
    Path(folder, "notes.txt").write_bytes(b"no image")
    assert folder_digest(folder, check="content") == with_content
    Path(folder, "sub/deep/c").write_bytes(b"an image may have no extension")
    assert folder_digest(folder, check="sizes") != before
    Path(folder, "sub/deep/c").write_bytes(b"")
    assert folder_digest(folder, check="content") == with_content
    Path(folder, "a.jpg").rename(Path(folder, "b.jpg"))
    assert folder_digest(folder, check="sizes") != before


def test_links_and_circles(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    os.symlink(tmp_path, tmp_path / "circle")
    os.symlink("a.jpg", tmp_path / "b.jpg")
    os.symlink("nowhere", tmp_path / "c.jpg")
    assert dict(walk(str(tmp_path), sizes=True)) == {"a.jpg": 3, "b.jpg": 3, "c.jpg": MISSING}


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(UserError, match=f"{name} must be a folder, got none of that name"):
            list_files(str(tmp_path / name))


def test_names_of_images() -> None:
    assert all(map(is_image_name, ("a.jpg", "b.JPEG", "c/d.Png", "e.bmp", "f.WEBP")))
    assert not any(map(is_image_name, ("a", "jpg", "b.txt", "c.jpg.xml", ".jpg")))
