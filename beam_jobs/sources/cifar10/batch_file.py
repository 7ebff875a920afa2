"""CIFAR-10's batch files: pickles, of which nothing but arrays, lists and text is read."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.files import read_regular

ROW_BYTES = 3 * 32 * 32
CLASSES = 10
MAX_FILE_BYTES = 1 << 27  # 40,000 images; the published files have 10,000 each

_reconstruct, _frombuffer = (cast(Any, np.zeros(1, np.uint8).__reduce_ex__(protocol)[0]) for protocol in (2, 5))


def _encode(text: str, _: str) -> bytes:
    return text.encode("latin1")


def _make_dtype(code: Any, *_: Any) -> Any:
    return np.dtype(code, False, True)  # a copy, as pickles ask for it, but by 0 and 1, of which NumPy warns


# All names that pickles of NumPy arrays hold, from Python 2 on. NumPy 2 renamed `core`.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _make_dtype,
    ("_codecs", "encode"): _encode,  # how Python 3 writes bytes in protocols 0 to 2
}


class _Unpickler(pickle._Unpickler):
    """Knows the allowed names alone, so no file can call anything else.

    It is the one written in Python: where a bit is flipped in a memo's index, the one in C asks for gigabytes.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR-10 file needs")
        return _ALLOWED[module, name]


def load_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of a CIFAR-10 file, with its keys as text. Raises `UserError` that names the file."""
    try:
        data = read_regular(path, limit=MAX_FILE_BYTES)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; give the published folder with DATA_DIR") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        values = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in values.items()}
    except Exception as error:  # a broken pickle can raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} is no CIFAR-10 batch file, or a broken one: {reason}") from None


def load_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch file's pixels, [n, 32, 32, 3] uint8 RGB (a view, channels first in memory), and labels, [n] int64.

    Raises `UserError` that names the file.
    """
    values = load_pickle(path)
    array, labels = values.get("data"), values.get("labels")
    if not isinstance(array, np.ndarray) or not isinstance(labels, list):
        got = f"{_show(array)} and {_show(labels)}"
        raise UserError(f"{path} must hold `data` (an array) and `labels` (a list), got {got}")
    if array.dtype != np.uint8 or array.shape != (len(labels), ROW_BYTES):
        wanted = f"{ROW_BYTES} bytes (uint8) of pixels for each of its {len(labels)} labels"
        raise UserError(f"{path} must hold {wanted}, got {array.dtype} of shape {array.shape}")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES:
            raise UserError(f"{path}: label of row {row} must be in [0, {CLASSES}), got {_show(label)}")
    pixels = np.ascontiguousarray(array).reshape(len(labels), 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels, np.array(labels, np.int64)


def _show(value: Any) -> str:
    """How a message shows a value from the file."""
    return repr(value)[:80] if isinstance(value, (int, float, str, bytes)) else f"a {type(value).__name__}"
