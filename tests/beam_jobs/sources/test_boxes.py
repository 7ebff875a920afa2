"""Which boxes of a source can be used, and what is said of the others."""

from __future__ import annotations

import math

import pytest

from beam_jobs.sources.boxes import select_usable_boxes
from beam_jobs.sources.source import SourceBox

SHAPE = (100, 200)
CLASSES = ("cat", "dog")


def test_good_boxes_keep_their_order_and_get_labels() -> None:
    truth, _, reasons = select_usable_boxes(
        (SourceBox(1, 2, 30, 40, "dog"), SourceBox(0, 0, 100, 200, "cat", crowd=True, area=7.5)), SHAPE, CLASSES
    )
    assert truth.corners.tolist() == [[1, 2, 30, 40], [0, 0, 100, 200]]
    assert truth.labels.tolist() == [1, 0]
    assert truth.crowd.tolist() == [False, True] and truth.difficult.tolist() == [False, False]
    assert truth.area.tolist() == [29 * 38, 7.5]
    assert reasons == []


def test_a_rounded_box_may_reach_over_the_border() -> None:
    truth, _, reasons = select_usable_boxes((SourceBox(-0.5, -1, 100.7, 201, "cat"),), SHAPE, CLASSES)
    assert truth.corners.tolist() == [[-0.5, -1, 100.7, 201]]
    assert reasons == []


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (SourceBox(5, 5, 5, 9, "cat"), "box 0 must have an area, got ymin, xmin, ymax, xmax [5, 5, 5, 9]"),
        (SourceBox(5, 9, 7, 5, "cat"), "box 0 must have an area"),
        (SourceBox(0, 0, math.nan, 5, "cat"), "box 0 must have finite sides"),
        (SourceBox(0, 0, math.inf, 5, "cat"), "box 0 must have finite sides"),
        (SourceBox(0, 0, "7", 5, "cat"), "box 0 must have finite sides"),  # type: ignore[arg-type]
        (SourceBox(0, 0, 10**400, 5, "cat"), "box 0 must have finite sides"),
        (SourceBox(0, 0, 5, 5, "cow"), "box 0 must be of a known class, got 'cow'"),
        (SourceBox(-2, 0, 5, 5, "cat"), "box 0 must lie inside 200 x 100 pixels"),
        (SourceBox(0, 0, 5, 202, "cat"), "box 0 must lie inside 200 x 100 pixels"),
        (SourceBox(-1, 0, -0.5, 5, "cat"), "box 0 must have an area inside 200 x 100 pixels"),
        (
            SourceBox(0.5, 0.5, 1.1, 0.6, "cat", relative=True),
            "box 0 must lie inside 200 x 100 pixels, got ymin, xmin, ymax, xmax [50.0",
        ),
        (SourceBox(1, 1, 5, 5, "cat", area=-1.0), "box 0 must have an area of at least 0, got -1.0"),
        (SourceBox(1, 1, 5, 5, "cat", fault="must have four numbers"), "box 0 must have four numbers"),
    ],
)
def test_a_bad_box_is_left_out_with_its_reason(box: SourceBox, reason: str) -> None:
    truth, numbers, reasons = select_usable_boxes((box, SourceBox(1, 2, 30, 40, "dog")), SHAPE, CLASSES)
    assert (truth.corners.tolist(), truth.labels.tolist()) == ([[1, 2, 30, 40]], [1])
    assert numbers == [1] and len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_a_relative_box_is_scaled_by_the_image() -> None:
    truth, _, _ = select_usable_boxes((SourceBox(0.25, 0.25, 0.5, 1.0, "dog", relative=True),), SHAPE, CLASSES)
    assert truth.corners.tolist() == [[25, 50, 50, 200]]
