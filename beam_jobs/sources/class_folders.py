"""Images sorted into a folder for each class. Each image is itself the object, and is placed on canvases."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import list_files, list_paths, refer_to_fault, refer_to_image
from beam_jobs.sources.image_set import Annotated, ImageSet
from beam_jobs.sources.source import Item
from beam_jobs.sources.splits import find_split_folders, parse_split, require_train
from pipeline.errors import UserError, make_printable
from pipeline.records.image_file import is_image_name


@dataclass(frozen=True)
class ClassFolders:
    """Folders of class folders, one for each split. Images in a class folder's subfolders belong to the class too.

    An image that lies in no class folder is an item that cannot be read, and so is a symbolic link to a folder.
    """

    splits: tuple[tuple[str, str], ...]  # split, folder

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of a folder of class folders, or of train, val (or valid) and test that hold them."""
        paths.allow("folder", "data_dir", "test_fraction")
        return ImageSet.prepare("folder", ClassFolders(_find_splits(paths.folder("folder"))), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each split."""
        return tuple(folder for _, folder in self.splits)

    def read(self) -> Annotated:
        """Lists the images. A class without images is still a class."""
        classes = sorted({name for folder in self.folders for name in _list_subfolders(folder)})
        items = [item for number in range(len(self.splits)) for item in self._list_items(number, classes)]
        return Annotated(items, tuple(classes), None, hashlib.sha256(repr(classes).encode()).hexdigest())

    def _list_items(self, number: int, classes: list[str]) -> Iterator[Item]:
        split, folder = self.splits[number]
        labels = {name: label for label, name in enumerate(classes)}
        for name in filter(is_image_name, list_files(folder)):
            class_name, slash, _ = name.partition("/")
            if slash and class_name in labels:
                yield Item(split, name, refer_to_image(number, name), labels[class_name])
            else:
                yield Item(split, name, refer_to_fault("lies in no class's folder; move it into one"), 0)
        for name in _list_subfolders(folder, linked=True):  # they may go in circles
            yield Item(split, name, refer_to_fault("is a symbolic link to a folder; such links are not followed"), 0)


def _find_splits(folder: str) -> tuple[tuple[str, str], ...]:
    found = find_split_folders(folder)
    if any(_list_subfolders(path) for path in found.values()):
        require_train(found, folder)
    if not ("train" in found and _list_subfolders(found["train"])):
        return (("train", folder),)
    loose = filter(is_image_name, map(os.path.basename, list_paths(folder)))
    if others := [name for name in (*_list_subfolders(folder), *loose) if parse_split(name) is None]:
        train = os.path.basename(found["train"])
        raise UserError(
            f"{folder!r} holds {make_printable(others[0])} beside the split {train}: move one of them, "
            "because a set has either class folders or splits"
        )
    return tuple(found.items())


def _list_subfolders(folder: str, *, linked: bool = False) -> list[str]:
    """The names of its folders, or of symbolic links to folders, in order; hidden ones are left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and e.is_symlink() == linked and not e.name.startswith("."))
