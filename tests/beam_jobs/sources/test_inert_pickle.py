"""Small pickles that ask for gigabytes, for hours, or for more stack than there is."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from beam_jobs.sources.inert_pickle import InertArray, load_inert
from tests.cifar10_files import array, dictionary, listing, number
from tests.commands import output, run_python


def doubled(times: int, first: bytes, twice: bytes) -> bytes:
    """The opcodes of a container that holds another one twice, and so on: always the same object."""
    return first + b"".join(b"q%c" % n + twice.replace(b"@", b"h%c" % n) for n in range(times))


def encoded_again(times: int) -> bytes:
    """The opcodes of a list of one text of 1 MB, encoded to bytes again and again."""
    text = b"X" + (10**6).to_bytes(4, "little") + b"x" * 10**6
    return b"](c_codecs\nencode\nq\x000" + text + b"\x85q\x010" + b"h\x00h\x01R" * times + b"e."


MUCH = struct.pack("<Q", 2 * 10**9)
NESTED_LIST, NESTED_TUPLE = doubled(60, b"]", b"0](@@e"), doubled(60, b")", b"@\x86")
PIXELS = bytes(6144)
BOMBS = {
    "a memo of 2^32 places": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a memo of 2^40 places": b"Np1099511627776\n.",
    "a string of 2^62 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a frame of 64 GiB": b"\x80\x04\x95" + struct.pack("<Q", 2**36) + b"}.",
    "a bytearray of 2 GB, in 13 bytes": b"\x80\x05\x96" + MUCH + b"x.",
    "bytes of 2 GB": b"\x80\x05\x8e" + MUCH + b"x.",
    "text of 2 GB": b"\x80\x05\x8d" + MUCH + b"x.",
    "text of 2 GB, older": b"\x80\x02X" + MUCH[:4] + b"x.",
    "a string of 2 GB, older": b"\x80\x02T" + MUCH[:4] + b"x.",
    "an integer of 2 GB": b"\x80\x02\x8b" + MUCH[:4] + b"x.",
    "lists in lists, as a label": dictionary({"data": array(PIXELS, 2), "labels": listing([number(1), NESTED_LIST])}),
    "lists in lists, as a shape": dictionary(
        {"labels": listing([]), "data": b"cnumpy\nndarray\n)\x81(K\x01" + NESTED_LIST + b"NI00\nNtb"}
    ),
    "lists in lists, as class names": dictionary({"label_names": NESTED_LIST}),
    "tuples in tuples, as a key": b"}" + NESTED_TUPLE + b"Ns.",
    "a million tuples, as a key": b"})" + b"\x85" * 1_000_000 + b"Ns.",
    "a wide tuple, as a key 100,000 times": b"(" + b"K\x01" * 100_000 + b"tq\x000}(" + b"h\x00N" * 100_000 + b"u.",
    "one text, encoded 4,000 times": encoded_again(4_000),
    "10 million lists": b"(" + b"]" * 10_000_000 + b"l.",
}
# In 1 GB, of which imports take a part.
LOAD = """
import resource, sys
from pathlib import Path
from beam_jobs.sources.cifar10_pickle import load_batch
from pipeline.errors import UserError
resource.setrlimit(resource.RLIMIT_AS, (1 << 30,) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load_batch(path)
    except UserError as error:
        print(error)
"""


def test_bombs(tmp_path: Path) -> None:
    for name, bomb in BOMBS.items():
        (tmp_path / name).write_bytes(bomb)
    lines = output(run_python("-c", LOAD, str(tmp_path))).splitlines()
    assert all(line.startswith(str(tmp_path / name)) for line, name in zip(lines, sorted(BOMBS), strict=True)), lines
    assert not any("MemoryError" in line or len(line) > 500 for line in lines)


@pytest.mark.parametrize("opcode", [b"\x95", b"\x96", b"\x8e", b"\x8d"])
@pytest.mark.parametrize("length", [2, 3, 2**31, 2**63 - 1, 2**64 - 1])
def test_a_length_beyond_the_end(opcode: bytes, length: int) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"it claims|exceeds"):
        load_inert(b"\x80\x05" + opcode + struct.pack("<Q", length) + b"x")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_array_of_bytes(protocol: int) -> None:
    found = load_inert(pickle.dumps(np.arange(6, dtype=np.uint8).reshape(2, 3), protocol=protocol))
    assert isinstance(found, InertArray)
    assert (found.shape, found.data, found.dtype.code) == ((2, 3), bytes(range(6)), "u1")


def test_an_array_that_is_stored_column_by_column_is_refused() -> None:
    columns = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    with pytest.raises(pickle.UnpicklingError, match="not stored row by row"):
        load_inert(pickle.dumps(columns, protocol=5))
