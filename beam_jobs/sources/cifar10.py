"""CIFAR-10: 60,000 images of 32×32 pixels in 10 classes (Krizhevsky, 2009), from its published Python files."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beam_jobs.sources.cifar10_pickle import MAX_FILE_BYTES, load_batch, load_pickle
from beam_jobs.sources.class_names import check_class_names
from beam_jobs.sources.source import BadImage, Check, Item
from beam_jobs.sources.unpack import unpack
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.download import download
from pipeline.errors import UserError, printable
from pipeline.files import cache_folder, file_sha256

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
FOLDER = "cifar-10-batches-py"
META = "batches.meta"
TRAIN = tuple(f"data_batch_{n}" for n in range(1, 6))
TEST = ("test_batch",)
MAX_TOTAL_BYTES = 1 << 30  # unpacked; the published archive has 186 MB
ARCHIVE_HINT = f"give a folder that holds {FOLDER}, or the archive, with DATA_DIR"

_loaded: dict[tuple[str, str], Any] = {}  # shared by a worker's threads
_lock = threading.Lock()


@dataclass(frozen=True)
class Cifar10:
    """Items `data_batch_1-00000` … `test_batch-09999`, by file and row."""

    folder: str  # holds the batch files
    name: str = "cifar10"
    category_ids: None = None
    has_val: bool = False
    has_test: bool = True
    test_fraction: float = 0.0

    @staticmethod
    def prepare(data_dir: str | None) -> Cifar10:
        """Finds, unpacks or downloads the data set, and checks its files.

        Args:
            data_dir: the folder `cifar-10-batches-py`, the archive, or a folder that holds either; None downloads
                the archive into the cache.

        Raises:
            UserError: no data set there, no network, a wrong checksum, a broken archive or batch file.
        """
        folder = (_find(Path(data_dir)) if data_dir is not None else _download()).resolve()
        source = Cifar10(str(folder))
        try:
            _ = source.class_names
            for name in (*TRAIN, *TEST):
                source._batch(name)
        except UserError:
            if data_dir is None or not folder.is_relative_to(Path(data_dir).resolve()):  # it is ours, in the cache
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return source

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten names in batches.meta. Raises `UserError` if there are others, or some that cannot be classes."""
        path = Path(self.folder) / META
        names = load_pickle(path).get("label_names")
        if not isinstance(names, list) or len(names) != 10 or not all(isinstance(n, (bytes, str)) for n in names):
            raise UserError(f"{path} must hold a list of 10 label_names, got something else")
        decoded = tuple(n.decode("latin1") if isinstance(n, bytes) else n for n in names)
        check_class_names(self.name, decoded)
        return decoded

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """SHA-256 over the SHA-256s of its files."""
        digests = [file_sha256(Path(self.folder) / name) for name in (META, *TRAIN, *TEST)]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def items(self) -> list[Item]:
        """All items, in the published order."""
        out = []
        for split, files in (("train", TRAIN), ("test", TEST)):
            for name in files:
                for row, label in enumerate(self._batch(name)[1].tolist()):
                    source_id = f"{name}-{row:05d}"
                    out.append(Item(split, source_id, source_id, label))
        return out

    def shape(self, reference: str) -> Shape:
        """All are 32×32 pixels."""
        return 32, 32

    def read(self, reference: str) -> RgbImage:
        """The image, [32, 32, 3] uint8 RGB."""
        name, _, row = reference.rpartition("-")
        pixels = self._batch(name)[0]
        if int(row) >= len(pixels):
            raise BadImage(f"{name} must have a row {int(row)}, got {len(pixels)} rows")
        return np.ascontiguousarray(pixels[int(row)], np.uint8)

    def _batch(self, name: str) -> Any:
        with _lock:
            if (self.folder, name) not in _loaded:
                _loaded[self.folder, name] = load_batch(Path(self.folder) / name)
            return _loaded[self.folder, name]


def _find(place: Path) -> Path:
    for folder in (place, place / FOLDER):
        if (folder / META).is_file():
            return folder
    for archive in (place, place / Path(URL).name):
        if archive.is_file():
            return _unpacked(archive)
    raise UserError(f"--data_dir must hold {FOLDER} or {Path(URL).name}, got {str(place)!r}, which holds neither")


def _cache() -> Path:
    return cache_folder() / "cifar10"


def _download() -> Path:
    folder = _cache() / FOLDER
    if (folder / META).is_file():
        return folder
    archive = download(URL, _cache() / Path(URL).name, sha256=SHA256, way_out=ARCHIVE_HINT)
    return _unpack(archive, folder)


def _unpacked(archive: Path) -> Path:
    digest = file_sha256(archive)
    if digest != SHA256:
        other = f"{archive} is not the published archive (SHA-256 {digest})"
        print(printable(f"note: {other}, so its figures cannot be compared with others"))
    folder = _cache() / digest[:16]
    return folder if (folder / META).is_file() else _unpack(archive, folder)


def _unpack(archive: Path, folder: Path) -> Path:
    members = {f"{FOLDER}/{name}": name for name in (META, *TRAIN, *TEST)}
    return unpack(archive, folder, members=members, max_member=MAX_FILE_BYTES, max_total=MAX_TOTAL_BYTES)
