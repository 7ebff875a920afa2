"""Reads pickles of byte arrays, such as CIFAR-10's batch files, so that nothing in them can run or fill the memory.

A pickle runs code by naming callables. Only the names that a NumPy array of bytes needs are known here, and all of them
stand for inert objects of ours: the file never calls NumPy. Every length that a pickle claims is checked against the
bytes that are there before memory is asked for.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any, ClassVar

MAX_READS = 4_000_000  # each makes at most one object; a file of 10,000 images takes 100,000
MAX_TUPLE = 16  # tuples are hashed when they are keys: short and shallow ones are hashed fast


class InertArray:
    """Stands for a NumPy array: what the pickle says about it, unchecked."""

    shape: Any = None
    dtype: Any = None
    data: Any = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, _, self.data = state


class InertDtype:
    """Stands for a NumPy dtype."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass  # the byte order, which a byte does not have


def _reconstruct(*_: Any) -> InertArray:
    return InertArray()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> InertArray:
    """How NumPy pickles an array in protocol 5."""
    if order != "C":
        raise pickle.UnpicklingError("it holds an array that is not stored row by row")
    array = InertArray()
    array.data, array.dtype, array.shape = data, dtype, shape
    return array


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): InertArray,
    ("numpy", "dtype"): InertDtype,
}
# Opcodes that no array of bytes, list of numbers or dictionary needs. Some allocate memory before they read.
_REFUSED = (
    *("LONG4", "NEXT_BUFFER", "READONLY_BUFFER", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
    *("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"),
)


class _Bytes:
    """The bytes of a pickle, read in a limited number of steps and never beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._file, self._left, self._reads = io.BytesIO(data), len(data), 0

    def read(self, count: int) -> bytes:
        self.claim(count)
        return self._taken(self._file.read(count))

    def readline(self) -> bytes:
        return self._taken(self._file.readline())

    def claim(self, count: int) -> None:
        """Raises `UnpicklingError` if fewer bytes are left."""
        if not 0 <= count <= self._left:
            raise pickle.UnpicklingError(f"it claims {count} bytes where {self._left} are left")

    def _taken(self, data: bytes) -> bytes:
        self._left -= len(data)
        self._reads += 1
        if self._reads > MAX_READS:
            raise pickle.UnpicklingError(f"it holds more than {MAX_READS} parts")
        return data


class _InertUnpickler(pickle._Unpickler):
    """The unpickler written in Python. The one in C allocates gigabytes for the memo of a file of ten bytes."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def __init__(self, data: bytes) -> None:
        self.bytes = _Bytes(data)
        super().__init__(self.bytes, encoding="bytes")
        self._unencoded = len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocols 0 to 2
            return self._latin1
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array of bytes needs")
        return _KNOWN[module, name]

    def _latin1(self, text: str, *_: Any) -> bytes:
        self._unencoded -= len(text)
        if self._unencoded < 0:  # one long text, encoded again and again
            raise pickle.UnpicklingError("it encodes more text than it holds")
        return text.encode("latin1")

    def _build(self) -> None:
        if type(self.stack[-2]) not in (InertArray, InertDtype):
            raise pickle.UnpicklingError(f"it gives a state to a {type(self.stack[-2]).__name__}")
        self._plain_build()

    _plain_build, dispatch[pickle.BUILD[0]] = dispatch[pickle.BUILD[0]], _build

    def _frame(self) -> None:
        """A frame only says how much may be read at once, and all bytes are here already."""
        self.bytes.claim(struct.unpack("<Q", self.bytes.read(8))[0])

    dispatch[pickle.FRAME[0]] = _frame

    def _bytearray8(self) -> None:
        """Loads a bytearray as bytes, which are read only after their length is checked."""
        self.append(self.bytes.read(struct.unpack("<Q", self.bytes.read(8))[0]))  # type: ignore[attr-defined]

    dispatch[pickle.BYTEARRAY8[0]] = _bytearray8


def _refuse(opcode: str) -> Callable[[Any], None]:
    def refuse(_: Any) -> None:
        raise pickle.UnpicklingError(f"it holds the opcode {opcode}, which no array of bytes needs")

    return refuse


def _flat(opcode: int) -> Callable[[Any], None]:
    """Loads a tuple, which lies at most two deep in a batch file."""
    load = _InertUnpickler.dispatch[opcode]

    def load_tuple(unpickler: Any) -> None:
        load(unpickler)
        made = unpickler.stack[-1]
        if len(made) > MAX_TUPLE:
            raise pickle.UnpicklingError(f"it holds a tuple of {len(made)} values")
        if any(isinstance(inner, tuple) for part in made if isinstance(part, tuple) for inner in part):
            raise pickle.UnpicklingError("it holds tuples in tuples in tuples")

    return load_tuple


for _name in _REFUSED:
    _InertUnpickler.dispatch[getattr(pickle, _name)[0]] = _refuse(_name)
for _opcode in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _InertUnpickler.dispatch[_opcode[0]] = _flat(_opcode[0])


def load_inert(data: bytes) -> Any:
    """The value of a pickle; arrays and dtypes in it are inert. Raises any exception if the pickle is broken."""
    return _InertUnpickler(data).load()
