"""CIFAR-10's batch files: Python pickles from the network, read so that nothing in them can run.

A pickle runs code by naming callables. Only the three names that a NumPy array of bytes needs are known here, and
all three stand for inert objects of ours: NumPy itself is never called by the file.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

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


class _InertUnpickler(pickle._Unpickler):
    """The unpickler that is written in Python: the one in C gives a file of ten bytes gigabytes for its memo."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array of bytes needs")
        return _KNOWN[module, name]

    def _build(self) -> None:
        if type(self.stack[-2]) not in (_Array, _Dtype):
            raise pickle.UnpicklingError(f"it gives a state to a {type(self.stack[-2]).__name__}")
        self._plain_build()

    _plain_build, dispatch[pickle.BUILD[0]] = dispatch[pickle.BUILD[0]], _build


def _shallow(opcode: int) -> Callable[[Any], None]:
    """Tuples lie at most two deep in a batch file; as keys, deeper ones would take for ever to hash."""
    load = _InertUnpickler.dispatch[opcode]

    def load_tuple(unpickler: Any) -> None:
        load(unpickler)
        if any(isinstance(inner, tuple) for part in unpickler.stack[-1] if isinstance(part, tuple) for inner in part):
            raise pickle.UnpicklingError("it holds tuples in tuples in tuples")

    return load_tuple


for _opcode in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _InertUnpickler.dispatch[_opcode[0]] = _shallow(_opcode[0])


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
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} must be a CIFAR-10 batch file, got a broken or foreign one: {reason}") from None
    if not all(isinstance(key, (bytes, str)) for key in values):
        raise UserError(f"{path} must hold values by name, got keys of another kind")
    return {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in values.items()}


def load_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch file's pixels, [n, 32, 32, 3] uint8 RGB (a view, channels first in memory), and labels, [n] int64.

    Raises `UserError` naming the file.
    """
    values = load_pickle(path)
    array, labels = values.get("data"), values.get("labels")
    if not isinstance(array, _Array) or not isinstance(labels, list):
        got = f"{_kind(array)} and {_kind(labels)}"
        raise UserError(f"{path} must hold `data` (an array) and `labels` (a list), got {got}")
    raw, code, rows = array.data, getattr(array.dtype, "code", None), len(labels)
    if code not in ("u1", b"u1") or not isinstance(raw, bytes):
        raise UserError(f"{path} must hold bytes (u1) as `data`, got {_kind(raw)} and the type {_kind(code)}")
    if array.shape != (rows, ROW_BYTES) or len(raw) != rows * ROW_BYTES:
        raise UserError(f"{path} must hold {ROW_BYTES} bytes of pixels for each of its {rows} labels, "
                        f"got {len(raw)} bytes, of the shape {_kind(array.shape)}")  # fmt: skip
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES:
            raise UserError(f"{path}: label of row {row} must be in [0, {CLASSES}), got {_kind(label)}")
    pixels = np.frombuffer(raw, np.uint8).reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels, np.array(labels, np.int64)


def _kind(value: Any) -> str:
    """What a message says of a value from the file: a container may be endless when it is printed."""
    if isinstance(value, tuple) and len(value) <= 3 and all(type(v) is int for v in value):
        return str(value)[:80]
    return repr(value)[:80] if isinstance(value, (int, float, str, bytes)) else f"a {type(value).__name__}"
