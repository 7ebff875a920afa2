"""The objects of a source's image: read back whole, laid out number by number, and nothing else is taken for them."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
from pipeline.records.ground_truth import ROW

from pipeline.compositions.composition import GroundTruth
from pipeline.records.record import pack_ground_truth, unpack_ground_truth

SMALL = GroundTruth(
    corners=np.array([[1.25, 2, 30.5, 40], [-0.5, 0, 3, 1e-3]]),
    labels=np.array([7, 79]),
    crowd=np.array([False, True]),
    difficult=np.array([True, False]),
    area=np.array([1111.5, 0.0]),
)
ROWS = [[1.25, 2, 30.5, 40, 7, 0, 1, 1111.5], [-0.5, 0, 3, 1e-3, 79, 1, 0, 0]]
NONE = GroundTruth(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0))


def packed_with(row: int, column: int, value: float) -> bytes:
    rows = np.array(ROWS)
    rows[row, column] = value
    return rows.astype("<f8").tobytes()


def test_the_bytes_of_a_small_case_by_hand() -> None:
    assert pack_ground_truth(SMALL) == b"".join(struct.pack(f"<{ROW}d", *row) for row in ROWS)


@pytest.mark.parametrize("truth", [SMALL, NONE], ids=["small", "no objects"])
def test_ground_truth_is_read_back_whole(truth: GroundTruth) -> None:
    again = unpack_ground_truth(pack_ground_truth(truth))
    for field in dataclasses.fields(GroundTruth):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(truth, field.name), strict=True)
    assert len(again) == len(truth)


def test_crowds_and_difficult_objects_are_no_targets() -> None:
    truth = unpack_ground_truth(packed_with(0, 6, 0.0))
    assert truth.is_target.tolist() == [True, False]
    assert SMALL.is_target.tolist() == [False, False]


@pytest.mark.parametrize("length", [1, 8, 63, 65, 127])
def test_half_an_object_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=rf"^ground truth must have a multiple of 64 bytes, got {length}$"):
        unpack_ground_truth(pack_ground_truth(SMALL)[:length] + bytes(max(length - 128, 0)))


@pytest.mark.parametrize("column", range(ROW))
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_are_finite(column: int, value: float) -> None:
    with pytest.raises(ValueError, match=r"^ground truth must have finite boxes and areas of at least 0, got others$"):
        unpack_ground_truth(packed_with(1, column, value))


@pytest.mark.parametrize(("column", "value"), [(0, 30.5), (0, 31), (2, 1.25), (1, 40), (3, -2), (7, -1e-9)])
def test_a_box_has_an_area(column: int, value: float) -> None:
    with pytest.raises(ValueError, match=r"^ground truth must have finite boxes and areas of at least 0, got others$"):
        unpack_ground_truth(packed_with(0, column, value))


@pytest.mark.parametrize(
    ("column", "value"),
    [(4, 0.5), (4, -1), (4, 2.0**31), (4, 1e300), (5, 2), (5, 0.5), (6, -1), (6, 1e300)],
)
def test_labels_are_whole_and_flags_are_0_or_1(column: int, value: float) -> None:
    with pytest.raises(
        ValueError, match=r"^ground truth must have whole labels of at least 0, and flags of 0 or 1, got"
    ):
        unpack_ground_truth(packed_with(0, column, value))
