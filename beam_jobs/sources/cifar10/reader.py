"""CIFAR-10: 60,000 images of 32×32 pixels in 10 classes (Krizhevsky, 2009), from its published Python files."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beam_jobs.sources.cifar10.batch_file import CLASSES, load_batch, load_pickle
from beam_jobs.sources.cifar10.folders import META, TEST, TRAIN, find_folder
from beam_jobs.sources.class_names import check_class_names
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import BadImage, Check, Item, Source
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError
from pipeline.files import hash_file

_loaded: dict[tuple[str, str], Any] = {}  # shared by a worker's threads
_lock = threading.Lock()


@dataclass(frozen=True)
class Cifar10(Source):
    """Items `data_batch_1-00000` … `test_batch-09999`, by file and row."""

    folder: str  # holds the batch files
    class_names: tuple[str, ...]
    name: str = "cifar10"
    has_test: bool = True

    @staticmethod
    def prepare(paths: DataPaths) -> Cifar10:
        """Finds, unpacks or downloads the data set, and reads its files once.

        Raises `UserError` if there is none, no network, a wrong checksum, or a broken archive or batch file.
        """
        paths.allow("cifar10", "data_dir")
        folder = find_folder(paths.data_dir).resolve()
        try:
            source = Cifar10(str(folder), _read_class_names(folder / META))
            for name in (*TRAIN, *TEST):
                source._load(name)
        except UserError:
            if paths.data_dir is None or not folder.is_relative_to(Path(paths.data_dir).resolve()):  # it is our cache's
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return source

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """SHA-256 over the SHA-256s of its files."""
        digests = [hash_file(Path(self.folder) / name) for name in (META, *TRAIN, *TEST)]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def items(self) -> list[Item]:
        """All items, in the published order."""
        out = []
        for split, files in (("train", TRAIN), ("test", TEST)):
            for name in files:
                for row, label in enumerate(self._load(name)[1].tolist()):
                    source_id = f"{name}-{row:05d}"
                    out.append(Item(split, source_id, source_id, label))
        return out

    def shape(self, reference: str) -> Shape:
        """All are 32×32 pixels."""
        return 32, 32

    def read(self, reference: str) -> RgbImage:
        """The image, [32, 32, 3] uint8 RGB."""
        name, _, row = reference.rpartition("-")
        pixels = self._load(name)[0]
        if int(row) >= len(pixels):
            raise BadImage(f"{name} has no row {int(row)}, only {len(pixels)} rows")
        return np.ascontiguousarray(pixels[int(row)], np.uint8)

    def _load(self, name: str) -> Any:
        with _lock:
            if (self.folder, name) not in _loaded:
                _loaded[self.folder, name] = load_batch(Path(self.folder) / name)
            return _loaded[self.folder, name]


def _read_class_names(path: Path) -> tuple[str, ...]:
    """The ten names in batches.meta. Raises `UserError` if there are others, or some that cannot be classes."""
    names = load_pickle(path).get("label_names")
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(n, (bytes, str)) for n in names):
        raise UserError(f"{path} holds no list of {CLASSES} label_names")
    decoded = tuple(n.decode("latin1") if isinstance(n, bytes) else n for n in names)
    check_class_names("cifar10", decoded)
    return decoded
