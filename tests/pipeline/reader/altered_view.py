"""Alters a packed view inside the features of a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.records.packed_view import HEADER


def change_words(features: dict[str, Any], change: Callable[[np.ndarray], np.ndarray | None]) -> None:
    """Changes the words of the first view, in place or by what is returned; the header's are the first `HEADER`."""
    packed, *others = features["image/views"]
    words = np.frombuffer(packed, "<i4").copy()
    assert len(words) >= HEADER
    changed = change(words)
    features["image/views"] = [(words if changed is None else changed).astype("<i4").tobytes(), *others]
