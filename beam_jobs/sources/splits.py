"""What data sets call their splits, where these lie, and the test split of a set that has none of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from beam_jobs.sources.image_files import is_local
from beam_jobs.sources.source import Item
from pipeline.errors import UserError
from pipeline.records.keys import is_chosen

SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # and the splits
_TEST_FRACTION = 0.1


def parse_split(word: str) -> str | None:
    """The split that a word stands for, in capitals or not; None if it stands for none."""
    return SPLIT_WORDS.get(word.casefold())


def list_words(split: str) -> tuple[str, ...]:
    """The words that stand for a split."""
    return tuple(word for word, its_split in SPLIT_WORDS.items() if its_split == split)


def find_split_folders(folder: str, inside: str = "") -> dict[str, str]:
    """The paths of the folders for each split, train first. None are found in a folder that is not local.

    Args:
        folder: where to look for them.
        inside: a file that a split's folder must hold to count.

    Raises `UserError` if there are two for one split: none may be left out silently.
    """
    if not is_local(folder):
        return {}
    named = (f"{folder}/{name}" for name in os.listdir(folder) if parse_split(name) is not None)
    there = [path for path in named if (os.path.isfile(f"{path}/{inside}") if inside else os.path.isdir(path))]
    return assign_splits("folder", there, SPLIT_WORDS)


def require_train(folders: Mapping[str, str], folder: str) -> None:
    """Raises `UserError` unless train is among the split folders that were found in a folder."""
    if "train" not in folders:
        named = ", ".join(os.path.basename(path) for path in folders.values())
        raise UserError(f"there is no folder train next to {named} in {folder!r}: nothing would be trained on")


def assign_splits(kind: str, paths: Iterable[str], words: Mapping[str, str]) -> dict[str, str]:
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
            raise UserError(f"{os.path.dirname(path)!r} has two {kind}s for {split}, {both}; join them, or move one")
        found[split] = path
    return found


def choose_test_fraction(has_test: bool, given: float | None) -> float:
    """The share of train that becomes the test split. Raises `UserError` if it is given beside a test split."""
    if has_test and given is not None:
        raise UserError("--test_fraction must be left out: the source has a test split of its own")
    return 0.0 if has_test else _TEST_FRACTION if given is None else given


def move_to_test(item: Item, test_fraction: float) -> Item:
    """An item of train goes to test if the hash of its source id says so."""
    if item.split == "train" and is_chosen(item.source_id, test_fraction, "test"):
        return item._replace(split="test")
    return item
