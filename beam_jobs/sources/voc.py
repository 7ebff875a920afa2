"""Sets annotated in Pascal VOC's XML, one file a picture (Everingham et al., 2010), in their several layouts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import NamedTuple

from beam_jobs.sources.annotation_file import MAX_LIST_BYTES, read_annotations
from beam_jobs.sources.class_names import is_class_name
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.open_file import is_local
from beam_jobs.sources.picture_set import Annotated, PictureSet
from beam_jobs.sources.source import Item
from beam_jobs.sources.split_folders import split_folders
from beam_jobs.sources.voc_folders import VocFolders
from pipeline.errors import UserError

XML_FOLDERS = ("Annotations", "annotations")
PICTURE_FOLDERS = ("JPEGImages", "images", "Images")
_LISTS = "ImageSets/Main"


class VocPart(NamedTuple):
    """The annotations and pictures of a split, and which of them belong to it."""

    split: str
    annotations: str  # a folder
    images: str  # a folder
    listed: str | None = None  # a file with one name per line; None: all


@dataclass(frozen=True)
class Voc:
    """Folders of XML files and of pictures.

    An XML file belongs to the picture of its own name; if there is none, to the one that its `<filename>` names, with
    or without extension. Pictures without XML are items that cannot be read, unless a list of names leaves them out.
    """

    parts: tuple[VocPart, ...]

    @staticmethod
    def prepare(paths: DataPaths) -> PictureSet:
        """The source of these folders. Raises `UserError`."""
        if paths.data_dir is not None:
            paths.allow("voc with --data_dir", "data_dir", "test_fraction")
            parts = _parts_of(paths.folder("voc"))
        else:
            parts = [VocPart(*part) for part in paths.parts("voc")]
        return PictureSet.prepare("voc", Voc(tuple(parts)), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.parts)

    def read(self) -> Annotated:
        """Reads every XML file. Raises `UserError` if a folder or a list is missing."""
        digest = hashlib.sha256()
        items: list[Item] = []
        pairs: dict[tuple[str, str], VocFolders] = {}  # the published layout has one pair of folders for all splits
        for number, part in enumerate(self.parts):
            pair = (part.annotations, part.images)
            if pair not in pairs:
                pairs[pair] = VocFolders(*pair)
            names = None if part.listed is None else _names_in(part.listed)
            items.extend(pairs[pair].items(part.split, number, names, digest))
        classes = {box.class_name for item in items for box in item.boxes or () if is_class_name(box.class_name)}
        return Annotated(items, tuple(sorted(classes)), None, digest.hexdigest())


def _parts_of(folder: str) -> list[VocPart]:
    """The layout of a data folder: with lists of names, with a folder for each split, or all for train."""
    if not is_local(folder):  # its layout cannot be seen, and without it test pictures would be trained on
        raise UserError(
            f"--data_dir must be a local folder for source voc, got {folder}; give --annotations and --images instead"
        )
    if os.path.isdir(f"{folder}/{_LISTS}"):
        annotations, images = _pair(folder)
        return [VocPart(split, annotations, images, listed) for split, listed in _lists(f"{folder}/{_LISTS}").items()]
    folders = split_folders(folder)
    if not folders:
        return [VocPart("train", *_pair(folder))]
    if "train" not in folders:
        raise UserError(f"--data_dir must hold a folder train next to {', '.join(folders)}, got {folder!r} without it")
    return [VocPart(split, *_pair(path)) for split, path in folders.items()]


def _pair(folder: str) -> tuple[str, str]:
    """The XML folder and the picture folder in a folder; the folder itself, twice, if it holds both kinds of files."""
    annotations, images = (
        next((path for name in names if os.path.isdir(path := f"{folder}/{name}")), folder)
        for names in (XML_FOLDERS, PICTURE_FOLDERS)
    )
    return (annotations, images) if annotations != folder else (folder, folder)


def _lists(folder: str) -> dict[str, str]:
    """The lists of names by split, train first. trainval is train and val together, and is used if train is missing.

    Raises `UserError` if names of trainval would be left out.
    """
    paths = {name: f"{folder}/{name}.txt" for name in ("train", "trainval", "val", "test")}
    there = {name: path for name, path in paths.items() if os.path.isfile(path)}
    if "train" not in there and "trainval" not in there:
        raise UserError(
            f"{folder} must hold train.txt or trainval.txt, got neither; with --annotations and --images every XML "
            "file of a folder is taken"
        )
    both = there.pop("trainval", "")
    if "train" in there:
        if both and "val" not in there:
            raise UserError(f"{folder} must hold val.txt as well as train.txt and trainval.txt, got only these two")
        return there
    there.pop("val", None)
    return {"train": both, **there}


def _names_in(path: str) -> list[str]:
    """The names in a list, one a line."""
    text = read_annotations(path, limit=MAX_LIST_BYTES).decode("utf-8", "backslashreplace")
    return [line.strip() for line in text.splitlines() if line.strip()]
