"""References to image files: which image in which folder, or why there is none. No path leads out of its folder."""

from __future__ import annotations

import os
from functools import lru_cache

from beam_jobs.sources.open_file import is_local
from beam_jobs.sources.source import BadImage
from pipeline.errors import printable, shown

_FAULT = "fault"
_LONGEST = 300  # characters of a reason that come from the annotations


def image_reference(folder: int, name: str) -> str:
    """The reference of an image: the number of its folder in the source's list, and its name there."""
    if not _is_utf8(name):  # a reference passes through Beam as UTF-8
        return fault_reference(f"must have a name in UTF-8, got {shown(name)}")
    return f"{folder}:{name}"


def fault_reference(reason: str) -> str:
    """The reference of an item that has no usable image: `image_path` raises `BadImage` with this reason."""
    return f"{_FAULT}:{printable(reason)[:_LONGEST]}"


def is_fault(reference: str) -> bool:
    """Whether it is the reference of an item without a usable image."""
    return reference.startswith(f"{_FAULT}:")


def tidy_id(name: str) -> str:
    """An image's name as a source id: on one line, and in characters that UTF-8 has."""
    return printable(name)[:_LONGEST]


def split_reference(reference: str) -> tuple[int, str]:
    """The number of an image's folder, and its name there. Raises `BadImage` with the reason if it has none."""
    folder, _, name = reference.partition(":")
    if folder == _FAULT:
        raise BadImage(name)
    return int(folder), name


def image_path(reference: str, folders: tuple[str, ...]) -> str:
    """The path of an image.

    Raises `BadImage` if there is none, or if its name leads out of its folder: by `..`, as an absolute path or by a
    symbolic link.
    """
    number, name = split_reference(reference)
    return path_inside(folders[number], name)


def path_inside(folder: str, name: str) -> str:
    """The path of a file in a folder. Raises `BadImage` if its name leads out of the folder."""
    if not name or "\0" in name:
        raise BadImage(f"must have the name of an image file, got {shown(name)}")
    wanted = f"{_clean(name)} must lie inside the image folder {_clean(folder)}"
    if leads_out(name):
        raise BadImage(f"{wanted}, got a name that leads out of it")
    path = f"{folder.rstrip('/')}/{name}"
    if not is_local(folder):
        return path
    real, root = os.path.realpath(path), _real(folder)
    if not real.startswith(root.rstrip("/") + "/"):
        raise BadImage(f"{wanted}, got a symbolic link that leads out of it")
    return path


def leads_out(name: str) -> bool:
    """Whether a file name leads out of its folder, judging by the text alone: an absolute path, a URL or `..`."""
    return os.path.isabs(name) or not is_local(name) or ".." in name.split("/")


@lru_cache(maxsize=64)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _clean(text: str) -> str:
    return printable(text)[:_LONGEST]


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
