"""Noise in CIFAR-10's shape and file layout, to measure rates without the data set."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from beam_jobs.sources.cifar10.folders import FOLDER, META, TEST, TRAIN

BATCH_ROWS = 10_000
CLASS_NAMES = [f"noise {number}" for number in range(10)]


def write_synthetic_cifar10(folder: Path) -> Path:
    """Writes 60,000 images, 184 MB, as `cifar-10-batches-py` into a new folder. Returns that folder."""
    (folder / FOLDER).mkdir(parents=True)
    _write(folder / FOLDER / META, {"label_names": CLASS_NAMES, "num_cases_per_batch": BATCH_ROWS, "num_vis": 3072})
    for number, name in enumerate((*TRAIN, *TEST)):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (BATCH_ROWS, 3072), dtype=np.uint8)
        labels = random.integers(0, len(CLASS_NAMES), BATCH_ROWS).tolist()
        _write(folder / FOLDER / name, {"data": pixels, "labels": labels})
    return folder


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_bytes(pickle.dumps(values, protocol=2))
