"""Precedence: an IoU and an index in one integer. The largest is the best IoU and, on a tie, the lowest index."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.boxes import Array
from pipeline.geometry.matching import IOU_DECIMALS

Integers = NDArray[np.int64]

BILLION = 10**IOU_DECIMALS  # the IoU 1; rounded IoU is kept as whole billionths, [0, 2³⁰)
_INDEX_BITS = 32
_LAST_INDEX = (1 << _INDEX_BITS) - 1


def to_billionths(iou: Array) -> Integers:
    """IoU as `np.round(iou, 9)` rounds it, in billionths: `to_billionths(iou) / BILLION` is that to the bit."""
    return np.rint(iou * BILLION).astype(np.int64)


def least_billionths(threshold: float) -> int:
    """The fewest billionths whose IoU, as a float64, is at least a threshold in (0, 1]."""
    count = math.floor(threshold * BILLION) - 1
    while count / BILLION < threshold:
        count += 1
    return count


def precedence(billionths: Integers, indices: Integers | int) -> Integers:
    """One integer for each IoU and index below 2³²; the larger goes first."""
    return (billionths << _INDEX_BITS) + (_LAST_INDEX - indices)


def billionths_of(precedences: Integers) -> Integers:
    """The IoU in each precedence, in billionths."""
    return precedences >> _INDEX_BITS


def index_of(precedences: Integers) -> Integers:
    """The index in each precedence."""
    return _LAST_INDEX - (precedences & _LAST_INDEX)
