"""scikit-learn's handwritten digits: 1,797 real 8×8 images that come with the package (UCI, Alpaydin & Kaynak)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from beam_jobs.sources.source import Check, Item
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError
from pipeline.records.keys import chosen

TEST_FRACTION = 0.2  # by hash of the source id: the set has no split of its own


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
class Digits:
    """Items `0000` to `1796`; a fifth of them, chosen by hash, are the test split."""

    name: str = "digits"
    category_ids: None = None
    has_val: bool = False
    has_test: bool = False
    test_fraction: float = TEST_FRACTION

    @staticmethod
    def prepare(data_dir: str | None) -> Digits:
        """Checks that scikit-learn is installed. Raises `UserError` if it is not, or if a data folder is given."""
        if data_dir is not None:
            raise UserError(
                f"--data_dir must be left out for source digits (they come with scikit-learn), got {data_dir!r}"
            )
        _load()
        return Digits()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple(str(name) for name in _load().target_names)

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
            split = "test" if chosen(source_id, self.test_fraction, "digits/test") else "train"
            out.append(Item(split, source_id, source_id, int(label)))
        return out

    def shape(self, reference: str) -> Shape:
        """All are 8×8 pixels."""
        return 8, 8

    def read(self, reference: str) -> RgbImage:
        """The digit, [8, 8, 3] uint8, white on black."""
        gray = np.rint(_load().images[int(reference)] * (255 / 16)).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
