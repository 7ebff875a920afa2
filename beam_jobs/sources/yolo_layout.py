"""Where the splits of a YOLO set are: by its YAML file, or by its folders alone."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from beam_jobs.sources.listing import holds, paths_in
from beam_jobs.sources.split_folders import SPLIT_WORDS, words_of
from beam_jobs.sources.yolo_classes import Names, names_in_files, names_in_yaml
from beam_jobs.sources.yolo_yaml import find_yaml, read_yaml
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, printable, shown
from pipeline.records.image_file import is_image_name

_NOTHING = (None, "", "~", "null", "None")  # a split that is not there

_LIKE_A_SPLIT = re.compile(rf"({'|'.join(SPLIT_WORDS)})[\W_]*\d*", re.IGNORECASE)  # such as train2017


class YoloPart(NamedTuple):
    """Images of a split."""

    split: str
    images: str  # a folder
    listed: str | None = None  # a text file with one image per line, relative to `images`; None: all in the folder


@dataclass(frozen=True)
class YoloLayout:
    """The parts of a set, train first, and its classes."""

    root: str
    parts: tuple[YoloPart, ...]
    names: Names | None  # None: unknown
    pose: bool = False  # whether key points follow the box in a line


def yolo_layout(root: str) -> YoloLayout:
    """The layout of a data folder. Raises `UserError` if its YAML file is broken, or if it is not a YOLO set."""
    path = find_yaml(root)
    return _from_folders(root) if path is None else _from_yaml(root, path)


def _from_folders(root: str) -> YoloLayout:
    parts = _parts_in_folders(root)
    if parts:
        _check_that_none_is_left_out(root, [part.images for part in parts])
    elif os.path.isdir(f"{root}/images"):
        _check_that_no_split_is_below(f"{root}/images")
        parts = [YoloPart("train", f"{root}/images")]
    if not any(part.split == "train" for part in parts):
        raise UserError(f"--data_dir must hold data.yaml, or folders images and labels, got {root!r} without them")
    return YoloLayout(root, tuple(parts), names_in_files(root))


def _parts_in_folders(root: str) -> list[YoloPart]:
    """The folders `images/<split>` and `<split>/images`, train first."""
    words = list(SPLIT_WORDS)
    found = []
    for parent, below in ((f"{root}/images", ""), (root, "/images")):
        for path in paths_in(parent):
            word = os.path.basename(path).casefold()
            if word in words and os.path.isdir(path + below):
                found.append((words.index(word), YoloPart(SPLIT_WORDS[word], path + below)))
    return [part for _, part in sorted(found, key=lambda pair: pair[0])]


def _check_that_no_split_is_below(images: str) -> None:
    """Raises `UserError` if a folder such as `val2017` lies in a folder that is all taken for training."""
    for path in paths_in(images):
        if _LIKE_A_SPLIT.fullmatch(os.path.basename(path)) and os.path.isdir(path):
            raise UserError(
                f"{printable(path)} would be taken for training: list the folders of each split in a data.yaml, or "
                f"call them {', '.join(SPLITS)}"
            )


def _check_that_none_is_left_out(root: str, taken: list[str]) -> None:
    """Raises `UserError` if an image in `images/`, or in a folder `images` next to those taken, is in no split."""
    for place in paths_in(f"{root}/images") + [f"{entry}/images" for entry in paths_in(root)]:
        if place not in taken and holds(place, is_image_name):
            beside, left = (path.removeprefix(f"{root}/") for path in (taken[0], place))
            raise UserError(
                f"--data_dir must hold no images outside the folders of splits, got {left} next to {beside} in "
                f"{root!r}; move it into the folder of a split, or list the folders of each split in a data.yaml"
            )


def _from_yaml(root: str, path: str) -> YoloLayout:
    content = read_yaml(path)
    base = root
    if isinstance(said := content.get("path"), str) and said and os.path.isdir(os.path.join(root, said)):
        base = os.path.normpath(os.path.join(root, said))
    parts = [part for split in SPLITS for part in _parts_of(split, content, [base, root], path)]
    if not any(part.split == "train" for part in parts):
        raise UserError(f"{path} must say where `train` is, got no such line")
    return YoloLayout(base, tuple(parts), names_in_yaml(content.get("names"), path), pose="kpt_shape" in content)


def _parts_of(split: str, content: dict[str, Any], bases: list[str], path: str) -> list[YoloPart]:
    """The parts of a split that a YAML file names. Exports name val and test even if they have none.

    Prints a line if val or test is not there. Raises `UserError` if train, or one of several places, is not there.
    """
    said: Any = next((content[word] for word in words_of(split) if content.get(word) not in _NOTHING), [])
    places = said if isinstance(said, list) else [said]
    for place in places:
        if not isinstance(place, str):
            raise UserError(f"{path}: `{split}` must be a folder, a text file or a list of them, got {shown(place)}")
    found = [_part(split, place, bases) for place in places]
    if places and split != "train" and not any(found):
        missing = f"`{split}` is {shown(said)}, which is not there; read as a set without a {split} split"
        print(printable(f"note: {path}: {missing}"))
        return []
    for place, part in zip(places, found, strict=True):
        if part is None:
            raise UserError(
                f"{path}: `{split}` must be a folder or a text file, got {shown(place)}, which is not there"
            )
    return [part for part in found if part is not None]


def _part(split: str, place: str, bases: list[str]) -> YoloPart | None:
    """The folder or text file of that name, None if it is not there."""
    for said in _spellings(split, place, os.path.basename(bases[-1])):
        for base in bases:
            found = os.path.normpath(os.path.join(base, said)) if "\0" not in said else ""
            if os.path.isdir(found):
                return YoloPart(split, found)
            if os.path.isfile(found):
                return YoloPart(split, base, found)
    return None


def _spellings(split: str, place: str, folder_name: str) -> list[str]:
    """A place as given, then as Roboflow means it, next to its file: `../train/images` or `my-set-1/train/images`."""
    below = place.removeprefix("../")
    first, _, rest = os.path.normpath(below).partition("/")
    # The folder may have been renamed, but `holdout/images` must not become `images`, which holds every image.
    names_split = any(part.startswith(words_of(split)) for part in rest.split("/"))
    return [place, below, *([rest] if names_split or (rest and first == folder_name) else [])]
