"""Source ids: the names of the images, told apart where several images have the same one."""

from __future__ import annotations

import os
from collections.abc import Callable

from beam_jobs.sources.image_reference import is_fault, split_reference, tidy_id
from beam_jobs.sources.open_file import is_local
from beam_jobs.sources.source import Item


def with_unique_ids(items: list[Item], folders: tuple[str, ...]) -> list[Item]:
    """Prefixes ids that several images share with the split, and with the folder too if needed.

    Ids that are still equal belong to one and the same image, listed twice: the job rejects the second.
    """
    tidy = [item._replace(source_id=tidy_id(item.source_id)) for item in items]
    by_split = _told_apart(tidy, lambda item: item.split)
    names = _short_names(folders)

    def folder_of(item: Item) -> str:
        return "fault" if is_fault(item.reference) else names[split_reference(item.reference)[0]]

    return _told_apart(by_split, folder_of)


def _short_names(folders: tuple[str, ...]) -> list[str]:
    """The folders as seen from the one that holds them all, so that ids do not depend on where a set lies."""
    if not all(map(is_local, folders)):
        return list(folders)
    common = os.path.commonpath(folders)
    return [os.path.relpath(folder, common) for folder in folders]


def _told_apart(items: list[Item], prefix: Callable[[Item], str]) -> list[Item]:
    prefixes: dict[str, set[str]] = {}
    for item in items:
        prefixes.setdefault(item.source_id, set()).add(prefix(item))
    shared = [name for name, found in prefixes.items() if len(found) > 1]
    told_apart = set(shared)
    while shared:  # a new name may be another image's: that one gets a prefix too
        new = [f"{before}/{name}" for name in shared for before in prefixes[name]]
        shared = [name for name in new if name in prefixes and name not in told_apart]
        told_apart.update(shared)
    return [
        item._replace(source_id=f"{prefix(item)}/{item.source_id}") if item.source_id in told_apart else item
        for item in items
    ]
