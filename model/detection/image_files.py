"""Finds the images that a command is given, and names the files that are written for them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError, require
from pipeline.records.image_file import SUFFIXES, is_image_name

WRITTEN = (".jpeg", ".jpg", ".png")  # of files that are written


@dataclass(frozen=True)
class ImageFile:
    """An image to read."""

    path: Path
    name: str  # its path from the folder that holds all of them, with slashes


def find_images(images: str, *, flag: str, output: Path) -> list[ImageFile]:
    """The images that a flag names, sorted by name.

    Args:
        images: a file; a folder, which is searched with all folders in it; or a pattern such as `photos/*.jpg`, where
            `**` stands for any folders. An existing file or folder is never taken for a pattern, nor is one that a
            pattern begins with, such as `trip [2024]` in `trip [2024]/*.jpg`.
        flag: for messages.
        output: where annotated images go. If it lies in the folder that is searched, it is left out.

    Raises `UserError` if there is no image, `OSError` if a folder cannot be searched.
    """
    require(bool(images), flag, "an image, a folder of images or a pattern", images)
    path, looked_for = Path(images), ", ".join(sorted(SUFFIXES))
    if path.is_dir():
        root = path.absolute()
        found = [file for file in _below(path) if not _is_result(file, root, output)]
        if not found:
            raise UserError(f"{images} holds no images ({looked_for}); give {flag} a folder that does")
    elif path.exists():
        root, found = path.parent.absolute(), [path]
    else:
        matches = [file for match in _matching(images) if _is_image(file := Path(match))]
        parents = [str(file.parent.absolute()) for file in matches]
        root = Path(os.path.commonpath(parents)) if parents else Path()
        found = [file for file in matches if not _is_result(file, root, output)]
        if not found:
            raise UserError(
                f"{flag} must be an image, a folder of images or a pattern ({looked_for}), but no image matches "
                f"{images!r}"
            )
    names = {file: Path(os.path.relpath(file.absolute(), root)).as_posix() for file in found}
    return [ImageFile(file, names[file]) for file in sorted(found, key=lambda file: names[file])]


def choose_output_names(names: Sequence[str]) -> list[str]:
    """The name of the file to write for each image: its own, with `.png` added if we do not write its kind.

    No two are equal, even on a file system that ignores case.
    """
    taken: set[str] = set()
    written = []
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in WRITTEN:
            stem, suffix = name, ".png"
        unique, number = f"{stem}{suffix}", 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{stem}-{number}{suffix}"
        taken.add(unique.casefold())
        written.append(unique)
    return written


def check_overwrites_nothing(files: Sequence[ImageFile], outputs: Sequence[Path], *, flag: str) -> None:
    """Raises `UserError` if a file to write is one of the images to read."""
    sources = {_place(file.path) for file in files}
    for output in outputs:
        if _place(output) in sources:
            raise UserError(f"{flag} must be another folder than that of the images: {output} would be overwritten")


def _matching(pattern: str) -> set[str]:
    """What matches a pattern. Its longest leading folder that exists stands for itself, whatever its name."""
    folder = os.path.dirname(pattern)
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return set(glob.glob(glob.escape(folder) + pattern[len(folder) :], recursive=True))


def _below(folder: Path) -> Iterator[Path]:
    """The images in a folder and in all folders in it. Linked folders are followed, and none is searched twice."""
    root = os.path.realpath(folder)
    seen = {root}

    def is_new(path: str) -> bool:
        real = os.path.realpath(path)
        if real in seen or (os.path.islink(path) and real.startswith(root.rstrip(os.sep) + os.sep)):
            return False
        seen.add(real)
        return True

    for where, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and is_new(os.path.join(where, name))]
        for name in names:
            path = Path(where, name)
            if not name.startswith(".") and _is_image(path):
                yield path


def _raise(error: OSError) -> None:
    """A folder that cannot be searched is an error: its images must not be skipped silently."""
    raise error


def _is_image(path: Path) -> bool:
    """Whether a file is named like an image."""
    return is_image_name(path.name) and not path.is_dir()


def _is_result(path: Path, root: Path, output: Path) -> bool:
    """Whether a file lies in the output folder, and the output folder inside the one that is searched."""
    output = output.resolve()
    return root.resolve() in output.parents and output in path.resolve().parents


def _place(path: Path) -> Path:
    """The path with its folder resolved, but not its name: writing would replace a link, not follow it."""
    return path.parent.resolve() / path.name
