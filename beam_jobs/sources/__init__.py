"""Sources of images, one per file, chosen by name."""

from __future__ import annotations

from collections.abc import Callable

from beam_jobs.sources.cifar10 import Cifar10
from beam_jobs.sources.class_folders import ClassFolders
from beam_jobs.sources.coco import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.digits import Digits
from beam_jobs.sources.jsonl import JsonLines
from beam_jobs.sources.source import Source
from beam_jobs.sources.voc import Voc
from beam_jobs.sources.yolo import Yolo
from pipeline.errors import UserError


def _cifar10(paths: DataPaths) -> Source:
    paths.allow("cifar10", "data_dir")
    return Cifar10.prepare(paths.data_dir)


def _digits(paths: DataPaths) -> Source:
    paths.allow("digits")
    return Digits.prepare(None)


_PREPARE: dict[str, Callable[[DataPaths], Source]] = {
    "cifar10": _cifar10,
    "digits": _digits,
    "coco": Coco.prepare,
    "voc": Voc.prepare,
    "yolo": Yolo.prepare,
    "jsonl": JsonLines.prepare,
    "folder": ClassFolders.prepare,
}
SOURCES = tuple(_PREPARE)


def make_source(name: str, paths: DataPaths | None = None) -> Source:
    """The source of that name, ready to be read. Raises `UserError` for an unknown name or unusable data."""
    if name not in _PREPARE:
        raise UserError(f"--source must be one of {', '.join(SOURCES)}, got {name!r}")
    return _PREPARE[name](paths or DataPaths())
