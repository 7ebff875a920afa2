"""What the classes of a YOLO set are called: by its YAML file, or by a text file with one name a line."""

from __future__ import annotations

import os

from beam_jobs.sources.annotation_file import read_annotations
from beam_jobs.sources.class_names import tidy_class_name
from beam_jobs.sources.split_folders import SPLIT_WORDS
from pipeline.errors import UserError, shown

MAX_CLASSES_BYTES = 1 << 22
CLASS_FILES = (
    *("classes.txt", "labels/classes.txt", "obj.names"),
    # LabelImg writes one into every folder of labels.
    *(f"{folder}/classes.txt" for word in SPLIT_WORDS for folder in (f"labels/{word}", f"{word}/labels")),
)

Names = tuple[tuple[int, str], ...]  # number and name of each class, by number


def names_in_yaml(names: object, path: str) -> Names:
    """The classes of a YAML file's `names`: a list, or a mapping of numbers to names.

    Raises `UserError` with the file's path if it is neither.
    """
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    found = {}
    for number, name in pairs:
        text = str(number)
        if not isinstance(name, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
            raise UserError(f"{path}: `names` must give a name for each number, got {shown(number)}: {shown(name)}")
        found[int(text)] = tidy_class_name(name)
    if not found:
        raise UserError(f"{path}: `names` must be a list of names, or numbers and names, got {shown(names)}")
    return tuple(sorted(found.items()))


def names_in_files(root: str) -> Names | None:
    """The classes in the `CLASS_FILES` of a data folder, None if it has no such file.

    Raises `UserError` if two of them differ.
    """
    there = [place for place in CLASS_FILES if os.path.isfile(f"{root}/{place}")]
    found = [_names_in_file(f"{root}/{place}") for place in there]
    for place, names in zip(there, found, strict=True):
        if names != found[0]:
            raise UserError(
                f"--data_dir must hold one list of classes, got {there[0]} and {place}, which differ, in {root!r}; "
                "keep the one that the numbers in the labels follow"
            )
    return found[0] if found else None


def _names_in_file(path: str) -> Names:
    text = read_annotations(path, limit=MAX_CLASSES_BYTES).decode("utf-8", "backslashreplace")
    return tuple(enumerate(tidy_class_name(line) for line in text.strip().splitlines()))
