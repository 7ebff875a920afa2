"""Image files, on local disks and on any of Beam's file systems: what lies where, its name, its bytes and its pixels.

An item refers to its image by the number of a folder and a name there, or says why it has none. No name leads out of
its folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.sources.source import BadImage, Check, Item
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError, format_count, make_printable, show_value
from pipeline.files import hash_stream, open_regular
from pipeline.records.image_file import decode_image_file, is_image_name, read_image_shape

BYTES = "application/octet-stream"  # as object stores call it
MISSING = -1  # the size of a file that is not there
_FAULT = "fault"
_LONGEST = 300  # characters of a reason that come from the annotations
# Local errors that say that there is no image. None: `open_regular` found a folder, a FIFO or a device.
_NO_FILE = (None, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def is_local(path: str) -> bool:
    """Whether a path is on a local (or mounted) disk."""
    return "://" not in path


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading bytes. On a local disk it must be a regular file; raises `OSError` if it is not."""
    if is_local(path):
        return open_regular(path)
    return FileSystems.open(path, BYTES, CompressionTypes.UNCOMPRESSED)


# What lies where


def walk_files(folder: str, *, sizes: bool) -> Iterator[tuple[str, int]]:
    """The files in a folder and in its subfolders, in any order: relative names, and sizes in bytes if wanted, else 0.

    Hidden files and folders are left out. Folders that are symbolic links are not entered.

    Raises `UserError` if there is no such folder.
    """
    if not is_local(folder):
        yield from _list_by_beam(folder)
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
                        yield below + entry.name, _measure(entry.path) if sizes else 0
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"there is no folder {folder}") from None


def list_files(folder: str) -> list[str]:
    """The names of the files that `walk_files` finds, sorted."""
    return sorted(name for name, _ in walk_files(folder, sizes=False))


def list_paths(folder: str) -> list[str]:
    """The paths of what lies in a local folder, sorted, without hidden ones; empty if there is no such folder."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [f"{folder}/{name}" for name in names if not name.startswith(".")]


def contains_file(place: str, wanted: Callable[[str], bool]) -> bool:
    """Whether a local file is wanted by its name, or any of the files that `walk_files` finds in a local folder."""
    if os.path.isdir(place):
        return any(wanted(name) for name, _ in walk_files(place, sizes=False))
    return os.path.lexists(place) and wanted(os.path.basename(place))


def measure_files(folder: str, names: list[str]) -> list[int]:
    """The sizes in bytes of files in a folder, `MISSING` for those that are not there."""
    if not is_local(folder):
        found = dict(_list_by_beam(folder))
        return [found.get(name, MISSING) for name in names]
    return [_measure(f"{folder}/{name}") for name in names]


def strip_extension(name: str) -> str:
    """A file's relative name without its extension."""
    return os.path.splitext(name)[0]


def digest_folder(folder: str, *, check: Check) -> bytes:
    """The sum, modulo 2^256, of the SHA-256s of each image's name and size, and with "content" also its bytes.

    It needs no list of the images, and a sum does not depend on the order in which a file system lists a folder.
    Files with an image's extension count, and files with none. Raises `UserError` if there is no such folder.
    """
    total = 0
    for name, size in walk_files(folder, sizes=True):
        if is_image_name(name) or not os.path.splitext(name)[1]:
            digest = hashlib.sha256(f"{name}\0{size}\0".encode("utf-8", "backslashreplace"))
            if check == "content":
                digest.update(digest_file(f"{folder}/{name}"))
            total += int.from_bytes(digest.digest(), "big")
    return (total % 2**256).to_bytes(32, "big")


def digest_file(path: str) -> bytes:
    """SHA-256 of an image's bytes; empty if it cannot be read, which the job will say."""
    try:
        with open_file(path) as file:
            return hash_stream(file)
    except OSError:
        return b""


def _list_by_beam(folder: str) -> Iterator[tuple[str, int]]:
    root = folder.rstrip("/") + "/"
    for file in FileSystems.match([f"{root}**"])[0].metadata_list:
        name = file.path.removeprefix(root)
        if "/." not in f"/{name}":
            yield name, int(file.size_in_bytes)


def _measure(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):  # a symbolic link to nowhere; a name that no file can have
        return MISSING


# References


def refer_to_image(folder: int, name: str) -> str:
    """The reference of an image: the number of its folder in the source's list, and its name there."""
    try:
        name.encode()
    except UnicodeEncodeError:  # a reference passes through Beam as UTF-8
        return refer_to_fault(f"must have a name in UTF-8, got {show_value(name)}")
    return f"{folder}:{name}"


def refer_to_fault(reason: str) -> str:
    """The reference of an item that has no usable image: `find_image` raises `BadImage` with this reason."""
    return f"{_FAULT}:{_clean(reason)}"


def is_fault(reference: str) -> bool:
    """Whether it is the reference of an item without a usable image."""
    return reference.startswith(f"{_FAULT}:")


def parse_reference(reference: str) -> tuple[int, str]:
    """The number of an image's folder, and its name there. Raises `BadImage` with the reason if it has none."""
    folder, _, name = reference.partition(":")
    if folder == _FAULT:
        raise BadImage(name)
    return int(folder), name


def tidy_id(name: str) -> str:
    """An image's name as a source id: on one line, and in characters that UTF-8 has."""
    return _clean(name)


def leads_out(name: str) -> bool:
    """Whether a file name leads out of its folder, judging by the text alone: an absolute path, a URL or `..`."""
    return os.path.isabs(name) or not is_local(name) or ".." in name.split("/")


def find_image(reference: str, folders: tuple[str, ...]) -> str:
    """The path of an image.

    Raises `BadImage` if there is none, or if its name leads out of its folder: by `..`, as an absolute path or by a
    symbolic link.
    """
    number, name = parse_reference(reference)
    folder = folders[number]
    if not name or "\0" in name:
        raise BadImage(f"must have the name of an image file, got {show_value(name)}")
    if leads_out(name):
        raise BadImage(f"{_clean(name)} leads out of the image folder {_clean(folder)}")
    path = f"{folder.rstrip('/')}/{name}"
    if is_local(folder) and not os.path.realpath(path).startswith(_resolve(folder).rstrip("/") + "/"):
        raise BadImage(f"{_clean(name)} is a symbolic link that leads out of the image folder {_clean(folder)}")
    return path


def check_that_images_are_there(items: Iterable[Item], folders: tuple[str, ...]) -> None:
    """Raises `UserError` if there are items, but none has an image: it is the folder or the names that are wrong.

    Stops at the first item that has one.

    Args:
        items: of a source.
        folders: the image folders, which references name by their number.
    """
    missing, faults = [], []
    for item in items:
        try:
            path = find_image(item.reference, folders)
        except BadImage as reason:
            faults.append(f"{item.source_id}: {reason}")
            continue
        folder, name = parse_reference(item.reference)
        if measure_files(folders[folder], [name]) != [MISSING]:
            return
        missing.append(path)
    if missing:
        raise UserError(
            f"no image is there: looked for {format_count(len(missing), 'image')}, such as {make_printable(missing[0])}"
        )
    if faults:
        raise UserError(
            f"no image can be used: looked at {format_count(len(faults), 'image')}, such as {make_printable(faults[0])}"
        )


@lru_cache(maxsize=64)
def _resolve(folder: str) -> str:
    return os.path.realpath(folder)


def _clean(text: str) -> str:
    return make_printable(text)[:_LONGEST]


# Pixels


def read_image(path: str) -> RgbImage:
    """Decodes an image file, [h, w, 3] uint8 RGB, upright.

    Raises `BadImage` if it is missing or broken, and `UserError` if it may be whole but cannot be read now.
    """
    with _open_image(path) as file:
        return decode_image_file(file)


def read_shape(path: str) -> Shape:
    """Height and width of the upright image in pixels, from the file's header. Raises like `read_image`."""
    with _open_image(path) as file:
        return read_image_shape(file)


@contextlib.contextmanager
def _open_image(path: str) -> Iterator[BinaryIO]:
    """Opens an image. A temporary error, such as a network failure, ends the job: a rejection would be permanent."""
    try:
        with open_file(path) as file:
            yield file
    except FileNotFoundError:
        raise BadImage(make_printable(f"{path} is missing")) from None
    except ValueError as error:  # of the decoder; or a name that no file can have
        raise BadImage(make_printable(f"{path} {error}")) from None
    except Exception as error:  # Beam's file systems raise errors of their own
        reason = f"{type(error).__name__}: {error}"
        if is_local(path) and isinstance(error, OSError) and error.errno in _NO_FILE:
            raise BadImage(make_printable(f"{path} is no file that can be read: {reason}")) from None
        raise UserError(
            make_printable(f"cannot read {path}: {reason}; once it can be read, run the same command again")
        ) from None
