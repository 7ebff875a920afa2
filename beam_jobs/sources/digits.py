"""scikit-learn's handwritten digits: 1,797 real 8×8 images that come with the package (UCI, Alpaydin & Kaynak)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.source import Check, Item, Source
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError
from pipeline.records.keys import is_chosen


@lru_cache(maxsize=1)
def _load() -> Any:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError(
            "source digits needs scikit-learn, which is not installed; run `make setup`, or install prematch[digits]"
        ) from None
    return load_digits()


@dataclass(frozen=True)
class Digits(Source):
    """Items `0000` to `1796`; a fifth of them, chosen by hash of the source id, are the test split."""

    name: str = "digits"
    class_names: tuple[str, ...] = tuple("0123456789")
    test_fraction: float = 0.2

    @staticmethod
    def prepare(paths: DataPaths) -> Digits:
        """Raises `UserError` if scikit-learn is not installed, or if a flag names data."""
        paths.allow("digits")
        _load()
        return Digits()

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """SHA-256 of pixels and labels."""
        data = _load()
        values = np.ascontiguousarray(data.images, "<f8").tobytes() + np.ascontiguousarray(data.target, "<i8").tobytes()
        return hashlib.sha256(values).hexdigest()

    def items(self) -> list[Item]:
        """All items, in scikit-learn's order."""
        out = []
        for index, label in enumerate(_load().target):
            source_id = f"{index:04d}"
            split = "test" if is_chosen(source_id, self.test_fraction, "digits/test") else "train"
            out.append(Item(split, source_id, source_id, int(label)))
        return out

    def shape(self, reference: str) -> Shape:
        """All are 8×8 pixels."""
        return 8, 8

    def read(self, reference: str) -> RgbImage:
        """The digit, [8, 8, 3] uint8, white on black."""
        gray = np.rint(_load().images[int(reference)] * (255 / 16)).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
