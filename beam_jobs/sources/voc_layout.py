"""Where the splits of a VOC set are: by its lists of names, or by its folders alone."""

from __future__ import annotations

import os
from typing import NamedTuple

from beam_jobs.sources.listing import holds, list_files, paths_in
from beam_jobs.sources.open_file import is_local
from beam_jobs.sources.split_folders import SPLIT_WORDS, one_for_each_split, require_train, split_folders, split_of
from beam_jobs.sources.voc_xml import is_xml_name
from pipeline.errors import UserError, printable
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


def voc_layout(folder: str) -> tuple[VocPart, ...]:
    """The parts of a data folder: with lists of names, with a folder for each split, or all for train.

    Raises `UserError` if test images could be trained on, or images left out, because the layout is unclear.
    """
    if not is_local(folder):  # its layout cannot be seen, and without it test images would be trained on
        raise UserError(
            f"--data_dir must be a local folder for source voc, got {folder}; give --annotations and --images instead"
        )
    if place := _place_of_lists(folder):
        return tuple(VocPart(split, *_pair(folder), listed) for split, listed in _lists(place).items())
    if folders := split_folders(folder):
        _check_splits(folders, folder)
        return tuple(VocPart(split, *_pair(path)) for split, path in folders.items())
    _check_that_it_is_not_one_below(folder)
    return _parts_inside(*_pair(folder))


def _place_of_lists(folder: str) -> str | None:
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
                f"--data_dir must hold {XML_FOLDERS[0]} or XML files, got {folder!r} without them; "
                f"the set may be its folder {printable(name)}"
            )


def _parts_inside(annotations: str, images: str) -> tuple[VocPart, ...]:
    """The parts of an XML folder and an image folder: by split folders in both, or all for train."""
    xml, images_of = split_folders(annotations), split_folders(images)
    if xml.keys() | images_of.keys() <= {"train"}:  # one folder alone tells nothing apart, and more may lie beside it
        for folder in dict.fromkeys((annotations, images)):
            _refuse_splits_below(folder)
        return (VocPart("train", annotations, images),)
    if xml.keys() != images_of.keys():
        first, second = (", ".join(folders) or "none" for folders in (xml, images_of))
        raise UserError(
            f"{annotations} and {images} must hold the same split folders, got {first} in the first and {second} in "
            f"the second; {_WAY_OUT}"
        )
    _check_splits(xml, annotations)
    _check_splits(images_of, images)
    return tuple(VocPart(split, path, images_of[split]) for split, path in xml.items())


def _check_splits(folders: dict[str, str], folder: str) -> None:
    """Raises `UserError` unless train is among the split folders in a folder and no data lie beside them."""
    require_train(folders, folder)
    for path in paths_in(folder):
        if path not in folders.values() and holds(path, _is_content):
            both = f"{printable(os.path.basename(path))} beside {os.path.basename(folders['train'])}"
            raise UserError(
                f"--data_dir must hold annotations and images in split folders alone, got {both} in {folder!r}; "
                "move it into a split, or out of the folder"
            )


def _refuse_splits_below(folder: str) -> None:
    """Raises `UserError` if there are folders for val or test deeper in a folder that is all taken for training."""
    for name in filter(_is_content, list_files(folder)):
        for part in name.split("/")[:-1]:
            if split_of(part) not in (None, "train"):
                why = f"{folder}/{name} would be taken for training, because no folder {part} is looked for there"
                raise UserError(printable(f"{why}; {_WAY_OUT}"))


def _is_content(name: str) -> bool:
    """Whether a file is an annotation or an image, judging by its name."""
    return is_xml_name(name) or is_image_name(name)


def _pair(folder: str) -> tuple[str, str]:
    """The XML folder and the image folder in a folder; the folder itself, twice, if it holds both kinds of files."""
    annotations, images = (
        next((path for name in names if os.path.isdir(path := f"{folder}/{name}")), folder)
        for names in (XML_FOLDERS, IMAGE_FOLDERS)
    )
    return (annotations, images) if annotations != folder else (folder, folder)


def _lists(folder: str) -> dict[str, str]:
    """The lists of names by split, train first. trainval is train and val together, and is used if train is missing.

    Raises `UserError` if there are two lists for one split, or if names of trainval would be left out.
    """
    paths = [path for name in os.listdir(folder) if os.path.isfile(path := f"{folder}/{name}")]
    there = one_for_each_split("list", paths, _LIST_NAMES)
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
