"""Precedence: order, and the numbers back from it; billionths against NumPy's rounding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.geometry.precedence import (
    BILLION,
    billionths_of,
    index_of,
    least_billionths,
    precedence,
    to_billionths,
)


def test_a_higher_iou_goes_first_and_then_a_lower_index() -> None:
    pairs = [(BILLION, 7), (BILLION, 4_000_000_000), (5, 0), (5, 1), (0, 0), (0, 9)]
    billionths, indices = np.array(pairs).T
    ordered = precedence(billionths, indices)
    assert (np.diff(ordered) < 0).all() and (ordered > 0).all()
    np.testing.assert_array_equal(billionths_of(ordered), billionths)
    np.testing.assert_array_equal(index_of(ordered), indices)


def test_billionths_are_what_numpy_rounds_to() -> None:
    random = np.random.default_rng(0)
    halves = (np.arange(2000) + 0.5) * 1e-9
    iou = np.concatenate([random.random(100_000), halves, 1 - halves, [0.0, 1.0, 4.9e-10, 5.1e-10]])
    np.testing.assert_array_equal(to_billionths(iou) / BILLION, np.round(iou, 9))


@pytest.mark.parametrize(
    "threshold", [1e-12, 1e-9, 0.05, 0.1, 0.3, 1 / 3, 0.5, 0.95, 1.0, *np.linspace(0.01, 0.99, 99)]
)
def test_least_billionths_reach_the_threshold_and_one_less_does_not(threshold: float) -> None:
    for value in (threshold, math.nextafter(threshold, 0), min(1.0, math.nextafter(threshold, 1))):
        count = least_billionths(value)
        assert count / BILLION >= value > (count - 1) / BILLION
