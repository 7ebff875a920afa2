"""Lists the files of a folder with their sizes, without opening any."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from apache_beam.io.filesystems import FileSystems

from beam_jobs.sources.open_file import is_local
from pipeline.errors import UserError

MISSING = -1  # the size of a file that is not there


def walk(folder: str, *, sizes: bool) -> Iterator[tuple[str, int]]:
    """The files in a folder and in its subfolders, in any order: relative names, and sizes in bytes if wanted, else 0.

    Hidden files and folders are left out. Folders that are symbolic links are not entered.

    Raises `UserError` if there is no such folder.
    """
    if not is_local(folder):
        yield from _listed_by_beam(folder)
        return
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, below)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{below}{entry.name}/")
                    elif not entry.is_dir():
                        yield below + entry.name, _size(entry) if sizes else 0
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{folder} must be a folder, got none of that name") from None


def list_files(folder: str) -> list[str]:
    """The names of the files that `walk` finds, sorted."""
    return sorted(name for name, _ in walk(folder, sizes=False))


def paths_in(folder: str) -> list[str]:
    """The paths of what lies in a local folder, sorted, without hidden ones; empty if there is no such folder."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [f"{folder}/{name}" for name in names if not name.startswith(".")]


def holds(place: str, wanted: Callable[[str], bool]) -> bool:
    """Whether a local file is wanted by its name, or any of the files that `walk` finds in a local folder."""
    if os.path.isdir(place):
        return any(wanted(name) for name, _ in walk(place, sizes=False))
    return os.path.lexists(place) and wanted(os.path.basename(place))


def sizes_of(folder: str, names: list[str]) -> list[int]:
    """The sizes in bytes of files in a folder, `MISSING` for those that are not there."""
    if not is_local(folder):
        found = dict(_listed_by_beam(folder))
        return [found.get(name, MISSING) for name in names]
    return [_size_at(f"{folder}/{name}") for name in names]


def stem(name: str) -> str:
    """A file's relative name without its extension."""
    return os.path.splitext(name)[0]


def _listed_by_beam(folder: str) -> Iterator[tuple[str, int]]:
    root = folder.rstrip("/") + "/"
    for file in FileSystems.match([f"{root}**"])[0].metadata_list:
        name = file.path.removeprefix(root)
        if "/." not in f"/{name}":
            yield name, int(file.size_in_bytes)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a symbolic link to nowhere
        return MISSING


def _size_at(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return MISSING
