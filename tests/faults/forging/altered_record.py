"""Records with one feature or some bytes altered, chosen over all features and all ways."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from pipeline.records.tf_example import Value, decode_example, encode_example
from tests.faults.forging.record_changes import BYTES, FLIP, Skip, kinds_of

TOLERANCE = 1e-5  # changes of real numbers that no check can tell from rounding


@dataclass(frozen=True)
class RecordAlteration:
    """A feature of a record, or "" for its bytes, and the way in which it is altered."""

    feature: str
    kind: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.feature or 'bytes'}: {self.kind}{f' ({self.seed})' if self.seed else ''}"

    def apply(self, data: bytes) -> bytes:
        """The altered record, serialized. Returns the same bytes if this way does not apply."""
        if not self.feature:
            return BYTES[self.kind](data, random.Random(self.seed))
        features = decode_example(data)
        value = features[self.feature]
        if self.kind == "missing":
            del features[self.feature]
        elif self.kind == "surplus":
            features[f"{self.feature}/surplus"] = value
        else:
            try:
                features[self.feature] = kinds_of(value)[self.kind](value)
            except (Skip, OverflowError, IndexError):
                return data
        return encode_example(features)


def choose_alterations(record: bytes, count: int) -> list[RecordAlteration]:
    """So many alterations: all features in all ways first, then flipped bits; fewer are spread over all of them."""
    features = decode_example(record)
    of_features = [
        RecordAlteration(name, kind)
        for name, value in features.items()
        for kind in ("missing", "surplus", *kinds_of(value))
        if RecordAlteration(name, kind).apply(record) != record
    ]
    of_bytes = [RecordAlteration("", kind, seed) for kind in BYTES for seed in range(1, 4)]
    chosen = of_features + of_bytes
    if count < len(chosen):
        return random.Random(0).sample(chosen, count)
    return chosen + [RecordAlteration("", FLIP, seed) for seed in range(4, count - len(chosen) + 4)]


def same_meaning(honest: bytes, altered: bytes) -> bool:
    """Whether no check of a record could tell the altered one from one that was made: only pixels differ, or rounding.

    A bit that is not canonical, an unknown feature and the like change the meaning too: no job writes them.
    """
    try:
        one, other = decode_example(honest), decode_example(altered)
        if encode_example(other) != altered or set(one) != set(other):
            return False
    except (ValueError, TypeError):
        return False
    return all(_same(name, one[name], other[name]) for name in one)


def _same(name: str, one: Value, other: Value) -> bool:
    if isinstance(one, list) or isinstance(other, list):
        if name == "image/encoded" and isinstance(other, list):
            return [len(v) for v in one] == [len(v) for v in other]
        return isinstance(one, list) and isinstance(other, list) and one == other
    if one.dtype != other.dtype or one.shape != other.shape:
        return bool(one.size == other.size == 0)
    if one.dtype == np.float32:
        return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE))
    return bool((one == other).all())
