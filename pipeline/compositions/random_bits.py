"""The random choices of one record: raw bits of a counter-based generator, keyed by the record alone.

NumPy may change the streams of its `Generator` methods from one version to the next; Philox's raw bits stay the same.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16  # draws taken at once
_COUNTER_DRAWS = 4  # draws of one step of Philox's counter
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
            self._draws = self._raw(_BLOCK)[::-1].tolist()
        return (self._draws.pop() * limit) >> 64

    def between(self, least: int, most: int) -> int:
        """An integer in [least, most], both ends included."""
        return least + self.below(most - least + 1)

    def below_each(self, limits: NDArray[np.int64]) -> NDArray[np.int64]:
        """An integer in [0, limit) for each limit, which must be at least 1 and below 2^31. Any shape.

        Far cheaper than `below` for dozens of numbers.
        """
        draws = self._raw(-(-limits.size // _COUNTER_DRAWS) * _COUNTER_DRAWS)[: limits.size].reshape(limits.shape)
        high = draws >> np.uint64(32)
        return (high * limits.astype(np.uint64) >> np.uint64(32)).astype(np.int64)

    def _raw(self, count: int) -> NDArray[np.uint64]:
        """The next draws of `np.random.Philox(key=key)`; `count` must be a multiple of `_COUNTER_DRAWS`.

        Each thread has one generator, which is set to the key: making a new one costs ten times as much.
        """
        if not hasattr(_local, "philox"):
            _local.philox = np.random.Philox(key=0)
        _local.philox.state = {
            "bit_generator": "Philox",
            "state": {"counter": (self._counter, 0, 0, 0), "key": self._key},
            "buffer": (0, 0, 0, 0),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._counter += count // _COUNTER_DRAWS
        draws: NDArray[np.uint64] = _local.philox.random_raw(count)
        return draws


@dataclass(frozen=True)
class EntryBits:
    """The random bits of one entry: of the whole, and of each of its views."""

    seed: int
    key: str  # of the entry's record

    def of_record(self) -> RandomBits:
        """A new stream, always the same."""
        return RandomBits(self.seed, self.key)

    def of_view(self, number: int) -> RandomBits:
        """A new stream for a view, always the same."""
        return RandomBits(self.seed, f"{self.key}/{number}")
