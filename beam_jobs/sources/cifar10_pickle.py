"""CIFAR-10's batch files: Python pickles from the network, read so that nothing in them can run.

A pickle runs code by naming callables. Only the three names that a NumPy array of bytes needs are known here, and
all three stand for inert objects of ours: NumPy itself is never called by the file.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

ROW_BYTES = 3 * 32 * 32
CLASSES = 10


class _Dtype:
    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass  # byte order, which a byte does not have


class _Array:
    shape: Any = None
    dtype: Any = None
    data: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, _, self.data = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _latin1(text: str, *_: Any) -> bytes:
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,  # how Python 3 writes bytes in protocol 2
}


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array of bytes needs")
        return _KNOWN[module, name]


def load_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of a CIFAR-10 file. Raises `UserError` naming the file if it is anything else."""
    try:
        data = path.read_bytes()
        values = _InertUnpickler(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(values, dict):
            raise pickle.UnpicklingError(f"it holds a {type(values).__name__}, not a dictionary")
    except FileNotFoundError:
        raise UserError(f"{path} must be there, got no such file; give the published folder with DATA_DIR") from None
    except Exception as error:  # a broken pickle can raise anything
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} must be a CIFAR-10 batch file, got a broken or foreign one: {reason}") from None
    return {_text(k): v for k, v in values.items()}


def load_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch file's pixels, [n, 32, 32, 3] uint8 RGB (a view, channels first in memory), and labels, [n] int64.

    Raises `UserError` naming the file.
    """
    values = load_pickle(path)
    array, labels = values.get("data"), values.get("labels")
    if not isinstance(array, _Array) or not isinstance(labels, list):
        raise UserError(f"{path} must hold `data` (an array) and `labels` (a list), got {sorted(values)}")
    raw, code = array.data, _text(getattr(array.dtype, "code", None))
    rows = len(labels)
    if code not in ("u1", "|u1", "uint8") or not isinstance(raw, bytes) or array.shape != (rows, ROW_BYTES):
        raise UserError(f"{path} must hold bytes of shape ({rows}, {ROW_BYTES}), got {code!r} of shape {array.shape}")
    if len(raw) != rows * ROW_BYTES:
        raise UserError(f"{path} must hold {rows * ROW_BYTES} bytes of pixels, got {len(raw)}")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES:
            raise UserError(f"{path}: label of row {row} must be in [0, {CLASSES}), got {label!r}")
    pixels = np.frombuffer(raw, np.uint8).reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels, np.array(labels, np.int64)


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)
