"""Random choices of one example: raw bits of a counter-based generator, keyed by the example alone.

NumPy does not promise its `Generator` methods' streams across versions; it does promise Philox's raw bits.
"""

from __future__ import annotations

import hashlib
import threading

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16  # draws taken at once: four steps of Philox's counter
_local = threading.local()


class RandomBits:
    """A stream of choices that depends on (seed, key) only, never on worker, order or time."""

    def __init__(self, seed: int, key: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=16).digest()
        self._key = np.frombuffer(digest, "<u8").astype(np.uint64)
        self._counter = 0
        self._draws: list[int] = []

    def below(self, limit: int) -> int:
        """An integer in [0, limit): the high half of a 64-bit draw times the limit."""
        if not self._draws:
            self._draws = _philox_block(self._key, self._counter)
            self._counter += _BLOCK // 4
        return (self._draws.pop() * limit) >> 64

    def between(self, least: int, most: int) -> int:
        """An integer in [least, most], both ends included."""
        return least + self.below(most - least + 1)


def _philox_block(key: NDArray[np.uint64], counter: int) -> list[int]:
    """The next draws of `np.random.Philox(key=key)`, last one first.

    One generator a thread is set to the key: making a new one costs ten times as much.
    """
    if not hasattr(_local, "philox"):
        _local.philox = np.random.Philox(key=0)
    _local.philox.state = {
        "bit_generator": "Philox",
        "state": {"counter": (counter, 0, 0, 0), "key": key},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
    draws: list[int] = _local.philox.random_raw(_BLOCK)[::-1].tolist()
    return draws
