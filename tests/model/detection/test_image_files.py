"""Which images a command finds, and that no two results have one name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from model.detection.image_files import ImageFile, check_overwrites_nothing, choose_output_names, find_images
from pipeline.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images and other things."""
    folder = tmp_path / "photos"
    for name in ("b.JPG", "a.png", "one/a.png", "two/a.png", "two/labels.json", "x.xml", ".hidden.png", ".git/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "folder.png").mkdir()
    return folder


def names(images: Path | str, output: Path | str = "elsewhere") -> list[str]:
    return [file.name for file in find_images(str(images), flag="--images", output=Path(output))]


def test_a_file_a_folder_and_patterns(photos: Path) -> None:
    assert names(photos / "b.JPG") == ["b.JPG"]
    assert names(photos / "x.xml") == ["x.xml"]  # as it is said: whether it is an image will be seen
    assert names(photos) == names(f"{photos}/") == ["a.png", "b.JPG", "one/a.png", "two/a.png"]
    assert names(f"{photos}/*") == ["a.png", "b.JPG"]
    assert names(f"{photos}/*/*.png") == ["one/a.png", "two/a.png"]
    assert names(f"{photos}/two/*.p?g") == ["a.png"]
    assert names(f"{photos}/**/*.png") == ["a.png", "one/a.png", "two/a.png"]
    (file,) = find_images(f"{photos}/t*/*", flag="--images", output=Path("elsewhere"))
    assert file == ImageFile(photos / "two" / "a.png", "a.png")


def test_linked_folders_are_searched_once(photos: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "far.jpg").touch()
    (elsewhere / "up").symlink_to(tmp_path)
    before = names(photos)
    (photos / "linked").symlink_to(elsewhere)
    (photos / "a link to two").symlink_to(photos / "two")
    (photos / "again").symlink_to(photos)
    assert names(photos) == sorted([*before, "linked/deep/far.jpg"])


def test_what_is_there_is_no_pattern(photos: Path) -> None:
    odd = photos / "[a] *.png"
    odd.touch()
    assert names(odd) == ["[a] *.png"]


def test_a_folder_that_a_pattern_begins_with_is_no_pattern(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("trip [2024]/a.jpg", "trip [2024]/[b]/c.jpg", "trip [2024]/d/c.jpg", "trip 2/e.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    monkeypatch.chdir(photos)
    for place in (str(photos), ".", ""):
        trip = os.path.join(place, "trip [2024]")
        assert names(f"{trip}/*.jpg") == names(f"{trip}//*.jpg") == ["a.jpg"]
        assert names(f"{trip}/*/*.jpg") == ["[b]/c.jpg", "d/c.jpg"]
        assert names(f"{trip}/[b]/*.jpg") == ["c.jpg"]
        assert names(f"{trip}/[cd]/*.jpg") == ["c.jpg"]
        assert names(os.path.join(place, "trip [0-9]/*.jpg")) == ["e.jpg"]
        assert names(os.path.join(place, "trip*/*.jpg")) == ["trip 2/e.jpg", "trip [2024]/a.jpg"]


def test_results_of_an_earlier_run_are_not_searched(photos: Path) -> None:
    assert names(photos, photos / "two") == ["a.png", "b.JPG", "one/a.png"]
    assert names(f"{photos}/*/*.png", photos / "two") == ["one/a.png"]
    assert names(photos, photos) == names(photos, photos.parent) == names(photos)
    assert names(f"{photos}/two/*.png", photos / "two") == ["a.png"]


def test_images_beside_the_working_folder(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos / "one")
    assert names("../two/*.png") == ["a.png"] and names("a.png") == ["a.png"]
    assert names(".") == ["a.png"] and names("..") == ["a.png", "b.JPG", "one/a.png", "two/a.png"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("none.jpg", "--images must be an image, a folder of images or a pattern"),
        ("two/*.jpg", "but no image matches"),
        ("folder.png", " holds no images (.bmp, .jfif, .jpe, .jpeg, .jpg, .png, .webp); give --images"),
    ],
)
def test_nothing_found_is_one_line(photos: Path, images: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        names(photos / images)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_no_name_is_not_the_working_folder() -> None:
    with pytest.raises(UserError, match="--images must be an image, a folder of images or a pattern, got ''"):
        names("")


def test_a_folder_that_cannot_be_searched_is_an_error(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("two"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        names(photos)


def test_every_result_has_a_name_of_its_own() -> None:
    assert choose_output_names(["a.jpg", "b.PNG", "one/a.jpg", "two/a.jpg"]) == [
        "a.jpg",
        "b.PNG",
        "one/a.jpg",
        "two/a.jpg",
    ]
    assert choose_output_names(["a.bmp", "a.bmp.png", "a.webp", "plain"]) == [
        "a.bmp.png",
        "a.bmp-2.png",
        "a.webp.png",
        "plain.png",
    ]
    assert choose_output_names(["A.jpg", "a-2.jpg", "a.JPG", "a.jpg"]) == ["A.jpg", "a-2.jpg", "a-3.JPG", "a-4.jpg"]


def test_a_image_is_never_overwritten(photos: Path) -> None:
    files = find_images(str(photos), flag="--images", output=Path("elsewhere"))
    check_overwrites_nothing(files, [photos / "out" / file.name for file in files], flag="--output")
    (photos.parent / "link").symlink_to(photos)
    for folder in (photos, photos.parent / "link", photos / "one" / ".."):
        with pytest.raises(UserError, match="--output must be another folder than that of the images"):
            check_overwrites_nothing(files, [folder / file.name for file in files], flag="--output")
