"""What data sets call their splits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

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
    named = (f"{folder}/{name}" for name in os.listdir(folder) if split_of(name) is not None)
    there = [path for path in named if (os.path.isfile(f"{path}/{inside}") if inside else os.path.isdir(path))]
    return one_for_each_split("folder", there, SPLIT_WORDS)


def require_train(folders: Mapping[str, str], folder: str) -> None:
    """Raises `UserError` unless train is among the split folders that were found in a folder."""
    if "train" not in folders:
        named = ", ".join(os.path.basename(path) for path in folders.values())
        raise UserError(f"--data_dir must hold a folder train next to {named}, got {folder!r} without it")


def one_for_each_split(kind: str, paths: Iterable[str], words: Mapping[str, str]) -> dict[str, str]:
    """The paths that are named after a split, keyed by split, in the order of `words`.

    Args:
        kind: what the paths are, for the message.
        paths: all in one folder.
        words: the names, in lower case, and the split that each stands for.

    Raises `UserError` if there are two for one split: none may be left out silently.
    """
    order = {word: place for place, word in enumerate(words)}
    named = [(os.path.basename(path).casefold(), path) for path in paths]
    found: dict[str, str] = {}
    for _, path, split in sorted((order[name], path, words[name]) for name, path in named if name in words):
        if split in found:
            both = f"{os.path.basename(found[split])} and {os.path.basename(path)}"
            raise UserError(f"--data_dir must hold one {kind} for {split}, got {both} in {os.path.dirname(path)!r}")
        found[split] = path
    return found
