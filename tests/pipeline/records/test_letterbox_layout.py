"""The layout of an image with boxes of its own: what becomes ground truth, what a region, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pipeline.records.letterbox_layout import letterbox_layout

from pipeline.compositions.composition import GroundTruth
from pipeline.compositions.letterbox import Letterbox, letterbox_views
from pipeline.compositions.random_bits import bits_of_views

CONFIG = Letterbox(size=64, image_side=40)
SOURCE = (40, 80)  # stored as 20 x 40
BITS = bits_of_views(0, "train/7/0")
TRUTH = GroundTruth(
    corners=np.array(
        [
            [4.0, 6, 36, 50],
            [10, 40, 30, 76],
            [0, 0, 20, 80],  # a crowd
            [20, 10, 40, 30],  # difficult
            [-3, 70, 10, 85],  # reaches over the border
            [41, 10, 45, 20],  # beside the image
            [0, 0, 40, 20],  # a crowd and difficult
        ]
    ),
    labels=np.array([0, 1, 2, 3, 4, 5, 6]),
    crowd=np.array([False, False, True, False, False, False, True]),
    difficult=np.array([False, False, False, True, False, False, True]),
    area=np.ones(7),
)


def test_objects_are_laid_out_in_pixels_of_the_stored_image() -> None:
    layout, left_out = letterbox_layout(CONFIG, TRUTH, SOURCE, count=1, bits_of=BITS)
    assert layout.corners.tolist() == [[2, 3, 18, 25], [5, 20, 15, 38], [0, 35, 5, 40]]
    assert layout.labels.tolist() == [0, 1, 4]
    assert layout.crowd.tolist() == [[0, 0, 10, 40], [0, 0, 20, 10]]
    assert layout.difficult.tolist() == [[10, 5, 20, 15]]
    assert left_out.tolist() == [5]


@pytest.mark.parametrize("count", [1, 5])
def test_views_are_drawn_for_the_ground_truth_alone(count: int) -> None:
    layout, _ = letterbox_layout(CONFIG, TRUTH, SOURCE, count=count, bits_of=BITS)
    assert layout.views == letterbox_views(CONFIG, (20, 40), layout.corners, count=count, bits_of=BITS)
    targets = np.flatnonzero(TRUTH.is_target)
    alone = GroundTruth(*(values[targets] for values in vars(TRUTH).values()))
    again, _ = letterbox_layout(CONFIG, alone, SOURCE, count=count, bits_of=BITS)
    assert again.views == layout.views and not again.has_regions


def test_fewer_views_are_the_first_of_more() -> None:
    views = letterbox_layout(CONFIG, TRUTH, SOURCE, count=6, bits_of=BITS)[0].views
    for count in range(1, 6):
        assert letterbox_layout(CONFIG, TRUTH, SOURCE, count=count, bits_of=BITS)[0].views == views[:count]


def test_a_image_that_is_not_shrunk_keeps_its_boxes() -> None:
    truth = GroundTruth(*(values[:4] for values in vars(TRUTH).values()))
    layout, left_out = letterbox_layout(replace(CONFIG, image_side=None), truth, SOURCE, count=1, bits_of=BITS)
    np.testing.assert_array_equal(layout.corners, truth.corners[:2])
    assert left_out.tolist() == []


def test_a_box_too_small_for_the_canvas_is_left_out_of_every_view() -> None:
    tiny = np.array([[4.0, 6, 36, 50], [1, 1, 1 + 1e-12, 30]])
    no = np.zeros(2, bool)
    truth = GroundTruth(tiny, np.array([0, 1]), crowd=no, difficult=no, area=np.ones(2))
    layout, left_out = letterbox_layout(CONFIG, truth, SOURCE, count=3, bits_of=BITS)
    assert layout.labels.tolist() == [0] and left_out.tolist() == [1]


def test_a_image_without_objects_has_views() -> None:
    none = GroundTruth(*(values[:0] for values in vars(TRUTH).values()))
    layout, left_out = letterbox_layout(CONFIG, none, SOURCE, count=4, bits_of=BITS)
    assert len(layout.views) == 4 and layout.corners.shape == (0, 4) and left_out.tolist() == []
