"""CIFAR-10's batch files: Python pickles from the network, checked before their pixels are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_jobs.sources.inert_pickle import InertArray, load_inert
from pipeline.errors import UserError
from pipeline.files import open_regular

ROW_BYTES = 3 * 32 * 32
CLASSES = 10
MAX_FILE_BYTES = 1 << 27  # 40,000 images; the published files have 10,000 each


def load_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of a CIFAR-10 file, with its keys as text. Raises `UserError` that names the file."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
        values = load_inert(data)
        if not isinstance(values, dict):
            raise ValueError(f"it holds a {type(values).__name__}, not a dictionary")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; give the published folder with DATA_DIR") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a broken pickle can raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} must be a CIFAR-10 batch file, got a broken or foreign one: {reason}") from None
    if not all(isinstance(key, (bytes, str)) for key in values):
        raise UserError(f"{path} must hold values by name, got keys of another kind")
    return {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in values.items()}


def load_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch file's pixels, [n, 32, 32, 3] uint8 RGB (a view, channels first in memory), and labels, [n] int64.

    Raises `UserError` that names the file.
    """
    values = load_pickle(path)
    array, labels = values.get("data"), values.get("labels")
    if not isinstance(array, InertArray) or not isinstance(labels, list):
        got = f"{_kind(array)} and {_kind(labels)}"
        raise UserError(f"{path} must hold `data` (an array) and `labels` (a list), got {got}")
    raw, code, rows = array.data, getattr(array.dtype, "code", None), len(labels)
    if code not in ("u1", b"u1") or not isinstance(raw, bytes):
        raise UserError(f"{path} must hold bytes (u1) as `data`, got {_kind(raw)} of type {_kind(code)}")
    if array.shape != (rows, ROW_BYTES) or len(raw) != rows * ROW_BYTES:
        got = f"{len(raw)} bytes of shape {_kind(array.shape)}"
        raise UserError(f"{path} must hold {ROW_BYTES} bytes of pixels for each of its {rows} labels, got {got}")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES:
            raise UserError(f"{path}: label of row {row} must be in [0, {CLASSES}), got {_kind(label)}")
    pixels = np.frombuffer(raw, np.uint8).reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels, np.array(labels, np.int64)


def _kind(value: Any) -> str:
    """How a message shows a value from the file: printing a container of it might never end."""
    if isinstance(value, tuple) and len(value) <= 3 and all(type(v) is int for v in value):
        return str(value)[:80]
    return repr(value)[:80] if isinstance(value, (int, float, str, bytes)) else f"a {type(value).__name__}"
