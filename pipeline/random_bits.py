"""Random choices of one example: raw bits of a counter-based generator, keyed by the example alone.

NumPy does not promise its `Generator` methods' streams across versions; it does promise Philox's raw bits.
"""

from __future__ import annotations

import hashlib

import numpy as np


class RandomBits:
    """A stream of choices that depends on (seed, key) only, never on worker, order or time."""

    def __init__(self, seed: int, key: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=16).digest()
        self._philox = np.random.Philox(key=int.from_bytes(digest, "little"))

    def below(self, limit: int) -> int:
        """An integer in [0, limit): the high half of a 64-bit draw times the limit."""
        return (int(self._philox.random_raw()) * limit) >> 64

    def between(self, least: int, most: int) -> int:
        """An integer in [least, most], both ends included."""
        return least + self.below(most - least + 1)
