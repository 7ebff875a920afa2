"""Where the splits of a YOLO set are: by its YAML file, or by its folders alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from beam_jobs.sources.image_files import contains_file, list_paths
from beam_jobs.sources.splits import SPLIT_WORDS, list_words
from beam_jobs.sources.yolo.data_yaml import Names, find_yaml, parse_names, read_class_files, read_yaml
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, make_printable, show_value
from pipeline.records.image_file import is_image_name

_NOTHING = (None, "", "~", "null", "None")  # a split that is not there

_LIKE_A_SPLIT = re.compile(rf"({'|'.join(SPLIT_WORDS)})[\W_]*\d*", re.IGNORECASE)  # such as train2017


class YoloPart(NamedTuple):
    """Images of a split."""

    split: str
    images: str  # a folder
    listed: str | None = None  # a text file with one image per line, relative to `images`; None: all in the folder


@dataclass(frozen=True)
class YoloFolders:
    """The parts of a set, train first, and its classes."""

    root: str
    parts: tuple[YoloPart, ...]
    names: Names | None  # None: unknown
    pose: bool = False  # whether key points follow the box in a line


def find_folders(root: str) -> YoloFolders:
    """The parts and classes of a data folder. Raises `UserError` if its YAML is broken, or it is no YOLO set."""
    path = find_yaml(root)
    return _find_by_names(root) if path is None else _find_by_yaml(root, path)


def _find_by_names(root: str) -> YoloFolders:
    parts = _find_split_parts(root)
    if parts:
        _check_that_none_is_left_out(root, [part.images for part in parts])
    elif os.path.isdir(f"{root}/images"):
        _check_that_no_split_is_below(f"{root}/images")
        parts = [YoloPart("train", f"{root}/images")]
    if not any(part.split == "train" for part in parts):
        raise UserError(f"{root!r} is no YOLO set: it has neither a data.yaml nor folders images and labels with train")
    return YoloFolders(root, tuple(parts), read_class_files(root))


def _find_split_parts(root: str) -> list[YoloPart]:
    """The folders `images/<split>` and `<split>/images`, train first."""
    words = list(SPLIT_WORDS)
    found = []
    for parent, below in ((f"{root}/images", ""), (root, "/images")):
        for path in list_paths(parent):
            word = os.path.basename(path).casefold()
            if word in words and os.path.isdir(path + below):
                found.append((words.index(word), YoloPart(SPLIT_WORDS[word], path + below)))
    return [part for _, part in sorted(found, key=lambda pair: pair[0])]


def _check_that_no_split_is_below(images: str) -> None:
    """Raises `UserError` if a folder such as `val2017` lies in a folder that is all taken for training."""
    for path in list_paths(images):
        if _LIKE_A_SPLIT.fullmatch(os.path.basename(path)) and os.path.isdir(path):
            raise UserError(
                f"{make_printable(path)} would be taken for training: list the folders of each split in a data.yaml, "
                f"or call them {', '.join(SPLITS)}"
            )


def _check_that_none_is_left_out(root: str, taken: list[str]) -> None:
    """Raises `UserError` if an image in `images/`, or in a folder `images` next to those taken, is in no split."""
    for place in list_paths(f"{root}/images") + [f"{entry}/images" for entry in list_paths(root)]:
        if place not in taken and contains_file(place, is_image_name):
            beside, left = (path.removeprefix(f"{root}/") for path in (taken[0], place))
            raise UserError(
                f"{left} next to {beside} in {root!r} belongs to no split; move it into the folder of a split, or list "
                "the folders of each split in a data.yaml"
            )


def _find_by_yaml(root: str, path: str) -> YoloFolders:
    content = read_yaml(path)
    base = root
    if isinstance(said := content.get("path"), str) and said and os.path.isdir(os.path.join(root, said)):
        base = os.path.normpath(os.path.join(root, said))
    parts = [part for split in SPLITS for part in _find_parts(split, content, [base, root], path)]
    if not any(part.split == "train" for part in parts):
        raise UserError(f"{path} does not say where `train` is")
    return YoloFolders(base, tuple(parts), parse_names(content.get("names"), path), pose="kpt_shape" in content)


def _find_parts(split: str, content: dict[str, Any], bases: list[str], path: str) -> list[YoloPart]:
    """The parts of a split that a YAML file names. Exports name val and test even if they have none.

    Prints a line if val or test is not there. Raises `UserError` if train, or one of several places, is not there.
    """
    said: Any = next((content[word] for word in list_words(split) if content.get(word) not in _NOTHING), [])
    places = said if isinstance(said, list) else [said]
    for place in places:
        if not isinstance(place, str):
            raise UserError(
                f"{path}: `{split}` must be a folder, a text file or a list of them, got {show_value(place)}"
            )
    found = [_find_part(split, place, bases) for place in places]
    if places and split != "train" and not any(found):
        missing = f"`{split}` is {show_value(said)}, which is not there; read as a set without a {split} split"
        print(make_printable(f"note: {path}: {missing}"))
        return []
    for place, part in zip(places, found, strict=True):
        if part is None:
            raise UserError(f"{path}: there is no folder and no text file {show_value(place)} for `{split}`")
    return [part for part in found if part is not None]


def _find_part(split: str, place: str, bases: list[str]) -> YoloPart | None:
    """The folder or text file of that name, None if it is not there."""
    for said in _spell(split, place, os.path.basename(bases[-1])):
        for base in bases:
            found = os.path.normpath(os.path.join(base, said)) if "\0" not in said else ""
            if os.path.isdir(found):
                return YoloPart(split, found)
            if os.path.isfile(found):
                return YoloPart(split, base, found)
    return None


def _spell(split: str, place: str, folder_name: str) -> list[str]:
    """A place as given, then as Roboflow means it, next to its file: `../train/images` or `my-set-1/train/images`."""
    below = place.removeprefix("../")
    first, _, rest = os.path.normpath(below).partition("/")
    # The folder may have been renamed, but `holdout/images` must not become `images`, which holds every image.
    names_split = any(part.startswith(list_words(split)) for part in rest.split("/"))
    return [place, below, *([rest] if names_split or (rest and first == folder_name) else [])]
