"""Placement: sizes, free places, and the draws that decide them, without a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.records_config import CanvasConfig
from pipeline.views.placement import Rectangle, Shape, boxes_of, overlap_share, place_objects, place_rectangle
from pipeline.views.random_bits import RandomBits


def test_no_overlap_allows_touching() -> None:
    a = Rectangle(0, 0, 10, 10)
    assert overlap_share(a, Rectangle(10, 0, 10, 10)) == 0
    assert overlap_share(a, Rectangle(5, 5, 4, 4)) == 1  # the smaller one is covered
    assert overlap_share(a, Rectangle(9, 9, 10, 10)) == 0.01
    assert overlap_share(a, Rectangle(20, 20, 5, 5)) == 0  # apart in both axes


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((32, 32), (20, 20)), ((10, 40), (5, 20)), ((40, 10), (20, 5)), ((1, 1000), (1, 20)), ((3, 8), (8, 20))],
)
def test_the_longer_side_is_the_object_size(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    config = CanvasConfig(size=64, object_size=(20, 20))
    rectangle = place_rectangle(config, shape, [], RandomBits(0, "a"))
    assert rectangle is not None and (rectangle.height, rectangle.width) == expected


def test_a_full_canvas_has_no_place() -> None:
    config = CanvasConfig(size=64, object_size=(20, 20))
    assert place_rectangle(config, (1, 1), [Rectangle(0, 0, 64, 64)], RandomBits(0, "a")) is None


def test_objects_are_drawn_in_order_with_the_bits_of_their_example() -> None:
    config = CanvasConfig(size=64, object_size=(8, 20), objects=(3, 3), flip=True)

    def draw(number: int, bits: RandomBits) -> tuple[Shape, tuple[int, int]]:
        return (10, 20), (number, bits.below(1000))

    runs = [place_objects(config, draw, RandomBits(0, "a")) for _ in range(2)]
    assert runs[0] == runs[1]
    numbers = [p.what[0] for p in runs[0]]
    assert numbers == sorted(numbers) and numbers[0] == 0
    assert len({p.what[1] for p in runs[0]}) == len(numbers)


def test_boxes_are_float32_corners_in_0_to_1() -> None:
    boxes = boxes_of([Rectangle(18, 113, 64, 64), Rectangle(0, 0, 224, 1)], 224)
    assert boxes.dtype == np.float32
    expected = np.array([[18, 113, 82, 177], [0, 0, 224, 1]]) / 224
    np.testing.assert_array_equal(boxes, expected.astype(np.float32))
    assert boxes_of([], 224).shape == (0, 4)
