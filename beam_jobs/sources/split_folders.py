"""What data sets call their splits."""

from __future__ import annotations

import os

from beam_jobs.sources.open_file import is_local
from pipeline.errors import UserError

SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # and the splits


def words_of(split: str) -> tuple[str, ...]:
    """The words that stand for a split."""
    return tuple(word for word, its_split in SPLIT_WORDS.items() if its_split == split)


def split_of(name: str) -> str | None:
    """The split that a name stands for, in capitals or not; None if it stands for none."""
    return SPLIT_WORDS.get(name.casefold())


def split_folders(folder: str, inside: str = "") -> dict[str, str]:
    """The paths of the folders for each split, train first. None are found in a folder that is not local.

    Args:
        folder: where to look for them.
        inside: a file that a split's folder must hold to count.

    Raises `UserError` if there are two for one split: none may be left out silently.
    """
    if not is_local(folder):
        return {}
    named = [name for name in sorted(os.listdir(folder)) if split_of(name) is not None]
    found: dict[str, str] = {}
    for name in sorted(named, key=lambda name: list(SPLIT_WORDS).index(name.casefold())):
        path, split = f"{folder}/{name}", SPLIT_WORDS[name.casefold()]
        if not (os.path.isfile(f"{path}/{inside}") if inside else os.path.isdir(path)):
            continue
        if split in found:
            both = f"{os.path.basename(found[split])} and {name}"
            raise UserError(f"--data_dir must hold one folder for {split}, got {both} in {folder!r}")
        found[split] = path
    return found
