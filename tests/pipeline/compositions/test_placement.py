"""Placement: sizes, free places, and the draws that decide them, without a pixel."""

from __future__ import annotations

import pytest
from pipeline.views.placement import draw_place, place_objects, place_rectangle

from pipeline.compositions.collage import Collage, overlap_share
from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.view import Rectangle, Shape, scaled_shape


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
    config = Collage(size=64, object_size=(20, 20))
    rectangle = place_rectangle(config, shape, [], RandomBits(0, "a"))
    assert rectangle is not None and (rectangle.height, rectangle.width) == expected


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((100, 200), 50, (25, 50)),
        ((3, 2), 3, (3, 2)),
        ((1, 1000), 20, (1, 20)),
        ((5, 2), 10, (10, 4)),
        ((8, 3), 4, (4, 2)),
    ],
)
def test_a_shape_is_scaled_and_rounded_halves_up(shape: Shape, side: int, expected: Shape) -> None:
    assert scaled_shape(shape, side) == expected
    assert scaled_shape(shape[::-1], side) == expected[::-1]


def test_a_place_takes_two_draws_whatever_the_size() -> None:
    config = Collage(size=64, object_size=(20, 20))
    for shape in ((1, 1), (64, 64), (64, 10)):
        bits, apart = RandomBits(0, "a"), RandomBits(0, "a")
        place = draw_place(config, shape, bits)
        expected = apart.below(max(1, 64 - shape[0])), apart.below(max(1, 64 - shape[1]))
        assert place == Rectangle(*expected, *shape)
        assert bits.below(1000) == apart.below(1000)


def test_evaluation_draws_what_training_with_flip_draws_but_flips_nothing() -> None:
    """So `flip` changes no record of val and test."""
    for flip in (False, True):
        config = Collage(size=64, object_size=(8, 20), objects=(3, 3), flip=flip)
        trained = place_objects(
            Collage(size=64, object_size=(8, 20), objects=(3, 3), flip=True),
            lambda number, _: ((10, 20), number),
            RandomBits(0, "a"),
        )
        placed = place_objects(config, lambda number, _: ((10, 20), number), RandomBits(0, "a"), evaluation=True)
        assert [p.rectangle for p in placed] == [p.rectangle for p in trained]
        assert any(p.flipped for p in trained) and not any(p.flipped for p in placed)


def test_a_full_canvas_has_no_place() -> None:
    config = Collage(size=64, object_size=(20, 20))
    assert place_rectangle(config, (1, 1), [Rectangle(0, 0, 64, 64)], RandomBits(0, "a")) is None


def test_objects_are_drawn_in_order_with_the_bits_of_their_record() -> None:
    config = Collage(size=64, object_size=(8, 20), objects=(3, 3), flip=True)

    def draw(number: int, bits: RandomBits) -> tuple[Shape, tuple[int, int]]:
        return (10, 20), (number, bits.below(1000))

    runs = [place_objects(config, draw, RandomBits(0, "a")) for _ in range(2)]
    assert runs[0] == runs[1]
    numbers = [p.what[0] for p in runs[0]]
    assert numbers == sorted(numbers) and numbers[0] == 0
    assert len({p.what[1] for p in runs[0]}) == len(numbers)
