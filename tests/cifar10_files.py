"""CIFAR-10 in small: a folder in the published layout, its batch files pickled as Python 2 did it."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beam_jobs.sources.cifar10.folders import FOLDER, META, TEST, TRAIN

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ROW_BYTES = 3072


def text(value: str) -> bytes:
    """The opcode of a Python 2 string of at most 255 bytes."""
    return struct.pack("<cB", b"U", len(value)) + value.encode("latin1")


def number(value: int) -> bytes:
    """The opcode of an integer of 32 bits."""
    return b"J" + struct.pack("<i", value)


def listing(items: list[bytes]) -> bytes:
    """The opcodes of a list."""
    return b"](" + b"".join(items) + b"e"


def dictionary(items: dict[str, bytes]) -> bytes:
    """A whole pickle of protocol 2: a dictionary of the given values, each in opcodes."""
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in items.items()) + b"u."


def array(pixels: bytes, rows: int, *, columns: int = ROW_BYTES, dtype: str = "u1") -> bytes:
    """The opcodes of NumPy's pickle of a matrix of bytes; what it says of its shape may be a lie."""
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text("b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(dtype) + b"K\x00K\x01tR(K\x03" + text("|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
    data = b"T" + struct.pack("<i", len(pixels)) + pixels
    return empty + b"(K\x01(" + number(rows) + number(columns) + b"t" + kind + b"I00\n" + data + b"tb"


def batch(labels: list[int], pixels: bytes) -> bytes:
    """A batch file."""
    return dictionary({"labels": listing([number(n) for n in labels]), "data": array(pixels, len(labels))})


def rows(file_number: int, count: int) -> tuple[list[int], NDArray[np.uint8]]:
    """Labels and pixels [count, 32, 32, 3] of a file: smooth, and of another colour each."""
    random = np.random.Generator(np.random.Philox(key=file_number))
    corners = np.frombuffer(random.bytes(count * 12), np.uint8).reshape(count, 2, 2, 3).astype(np.int64)
    ramp = np.arange(32)
    across = corners[:, :, None, 0] * (31 - ramp)[:, None] + corners[:, :, None, 1] * ramp[:, None]
    down = across[:, None, 0] * (31 - ramp)[:, None, None] + across[:, None, 1] * ramp[:, None, None]
    return [(file_number * 3 + row) % 10 for row in range(count)], (down // 31**2).astype(np.uint8)


def write_cifar10(place: Path, *, count: int = 12) -> Path:
    """Writes the folder below `place`, with `count` images a file. -> the folder."""
    folder = place / FOLDER
    folder.mkdir(parents=True)
    (folder / META).write_bytes(dictionary({"label_names": listing([text(name) for name in NAMES])}))
    for file_number, name in enumerate((*TRAIN, *TEST)):
        labels, pixels = rows(file_number, count)
        (folder / name).write_bytes(batch(labels, pixels.transpose(0, 3, 1, 2).tobytes()))
    return folder


def left(folder: Path) -> list[str]:
    """Paths of everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_archive(path: Path, folder: Path, extra: list[tuple[tarfile.TarInfo, bytes]] | None = None) -> Path:
    """Packs a folder as the published archive is packed, and further members of any name and kind. -> its path."""
    with tarfile.open(path, "w:gz") as tar:
        for info, data in extra or []:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        tar.add(folder, FOLDER)
    return path
