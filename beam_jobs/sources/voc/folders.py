"""Where the splits of a VOC set are: by its lists of names, or by its folders alone."""

from __future__ import annotations

import os
from typing import NamedTuple

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import contains_file, is_local, list_files, list_paths
from beam_jobs.sources.splits import SPLIT_WORDS, assign_splits, find_split_folders, parse_split, require_train
from beam_jobs.sources.voc.xml_file import is_xml_name
from pipeline.errors import UserError, make_printable
from pipeline.records.image_file import is_image_name

XML_FOLDERS = ("Annotations", "annotations")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images")
_LISTS = "ImageSets"
_LIST_NAMES = {f"{word}.txt": split for word, split in {**SPLIT_WORDS, "trainval": "trainval"}.items()}
_WAY_OUT = (
    "name the folders of each split with --annotations, --val_annotations and --test_annotations, and with --images, "
    "--val_images and --test_images"
)


class VocPart(NamedTuple):
    """The annotations and images of a split, and which of them belong to it."""

    split: str
    annotations: str  # a folder
    images: str  # a folder
    listed: str | None = None  # a file with one name per line; None: all


def find_parts(paths: DataPaths) -> tuple[VocPart, ...]:
    """The parts that the flags name, or those of a data folder: by lists of names, by split folders, or all for train.

    Raises `UserError` if flags are missing or do not go together, or if test images could be trained on, or images
    left out, because the layout is unclear.
    """
    if paths.data_dir is None:
        return tuple(VocPart(*part) for part in paths.parts("voc"))
    paths.allow("voc with --data_dir", "data_dir", "test_fraction")
    folder = paths.folder("voc")
    if not is_local(folder):  # its layout cannot be seen, and without it test images would be trained on
        raise UserError(
            f"--data_dir must be a local folder for source voc, got {folder}; give --annotations and --images instead"
        )
    if place := _find_place_of_lists(folder):
        return tuple(VocPart(split, *_find_pair(folder), listed) for split, listed in _find_lists(place).items())
    if folders := find_split_folders(folder):
        _check_splits(folders, folder)
        return tuple(VocPart(split, *_find_pair(path)) for split, path in folders.items())
    _check_that_it_is_not_one_below(folder)
    return _find_parts_inside(*_find_pair(folder))


def _find_place_of_lists(folder: str) -> str | None:
    """The folder with the lists of names. Published sets have `ImageSets/Main`; some tools leave out `Main`."""
    if os.path.isdir(main := f"{folder}/{_LISTS}/Main"):
        return main
    if os.path.isdir(place := f"{folder}/{_LISTS}") and any(n.casefold() in _LIST_NAMES for n in os.listdir(place)):
        return place
    return None


def _check_that_it_is_not_one_below(folder: str) -> None:
    """Raises `UserError` if the set seems to lie in a folder of this one, as VOC2007 does in VOCdevkit."""
    entries = sorted(os.listdir(folder))
    if any(is_xml_name(name) or name in XML_FOLDERS for name in entries):
        return
    for name in entries:
        if any(os.path.isdir(f"{folder}/{name}/{place}") for place in XML_FOLDERS):
            raise UserError(
                f"there is neither {XML_FOLDERS[0]} nor an XML file in {folder!r}; the set may be its folder "
                f"{make_printable(name)}"
            )


def _find_parts_inside(annotations: str, images: str) -> tuple[VocPart, ...]:
    """The parts of an XML folder and an image folder: by split folders in both, or all for train."""
    xml, images_of = find_split_folders(annotations), find_split_folders(images)
    if xml.keys() | images_of.keys() <= {"train"}:  # one folder alone tells nothing apart, and more may lie beside it
        for folder in dict.fromkeys((annotations, images)):
            _refuse_splits_below(folder)
        return (VocPart("train", annotations, images),)
    if xml.keys() != images_of.keys():
        first, second = (", ".join(folders) or "none" for folders in (xml, images_of))
        raise UserError(
            f"{annotations} and {images} hold different split folders, {first} in the first and {second} in the "
            f"second; {_WAY_OUT}"
        )
    _check_splits(xml, annotations)
    _check_splits(images_of, images)
    return tuple(VocPart(split, path, images_of[split]) for split, path in xml.items())


def _check_splits(folders: dict[str, str], folder: str) -> None:
    """Raises `UserError` unless train is among the split folders in a folder and no data lie beside them."""
    require_train(folders, folder)
    for path in list_paths(folder):
        if path not in folders.values() and contains_file(path, _is_content):
            left = f"{make_printable(os.path.basename(path))} beside {os.path.basename(folders['train'])} in {folder!r}"
            raise UserError(f"{left} belongs to no split; move it into a split's folder, or out of {folder!r}")


def _refuse_splits_below(folder: str) -> None:
    """Raises `UserError` if there are folders for val or test deeper in a folder that is all taken for training."""
    for name in filter(_is_content, list_files(folder)):
        for part in name.split("/")[:-1]:
            if parse_split(part) not in (None, "train"):
                why = f"{folder}/{name} would be taken for training, because no folder {part} is looked for there"
                raise UserError(make_printable(f"{why}; {_WAY_OUT}"))


def _is_content(name: str) -> bool:
    """Whether a file is an annotation or an image, judging by its name."""
    return is_xml_name(name) or is_image_name(name)


def _find_pair(folder: str) -> tuple[str, str]:
    """The XML folder and the image folder in a folder; the folder itself, twice, if it holds both kinds of files."""
    annotations, images = (
        next((path for name in names if os.path.isdir(path := f"{folder}/{name}")), folder)
        for names in (XML_FOLDERS, IMAGE_FOLDERS)
    )
    return (annotations, images) if annotations != folder else (folder, folder)


def _find_lists(folder: str) -> dict[str, str]:
    """The lists of names by split, train first. trainval is train and val together, and is used if train is missing.

    Raises `UserError` if there are two lists for one split, or if names of trainval would be left out.
    """
    paths = [path for name in os.listdir(folder) if os.path.isfile(path := f"{folder}/{name}")]
    there = assign_splits("list", paths, _LIST_NAMES)
    if "train" not in there and "trainval" not in there:
        raise UserError(
            f"there is neither train.txt nor trainval.txt in {folder}; with --annotations and --images every XML file "
            "of a folder is taken"
        )
    both = there.pop("trainval", "")
    if "train" in there:
        if both and "val" not in there:
            raise UserError(
                f"{folder} has train.txt and trainval.txt without val.txt, so some names would be in no split; add "
                "val.txt, or remove one of the two"
            )
        return there
    there.pop("val", None)
    return {"train": both, **there}
