"""Sources of images: a folder for each format, a file for a small one; chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Source
from pipeline.errors import UserError

# The class of each source, in its module below this folder. Its `prepare` checks the data and returns the source.
_CLASSES = {
    "cifar10": "cifar10.reader Cifar10",
    "digits": "digits Digits",
    "coco": "coco.reader Coco",
    "voc": "voc.reader Voc",
    "yolo": "yolo.reader Yolo",
    "jsonl": "jsonl.reader JsonLines",
    "folder": "class_folders ClassFolders",
}
SOURCES = tuple(_CLASSES)


def make_source(name: str, paths: DataPaths | None = None) -> Source:
    """The source of that name, ready to be read.

    Args:
        name: one of `SOURCES`.
        paths: where the data are, as the source's flags say; None: no flag is given.

    Raises `UserError` for an unknown name, flags that the source does not take, or unusable data.
    """
    if name not in _CLASSES:
        raise UserError(f"--source must be one of {', '.join(SOURCES)}, got {name!r}")
    module, class_name = _CLASSES[name].split()
    prepare = getattr(import_module(f"{__name__}.{module}"), class_name).prepare
    return cast(Callable[[DataPaths], Source], prepare)(paths or DataPaths())
