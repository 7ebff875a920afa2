"""Collages: what is painted, where, and that the ground truth says the same."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline.views.collage import Composed, compose, corners_in, window_of

from pipeline.compositions.collage import Collage, overlap_share
from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.resize import RgbImage, paint_view, resize
from pipeline.compositions.view import Rectangle, View, boxes_in_view

ONE = Collage(size=224, object_size=(64, 64))
MANY = Collage(size=112, object_size=(12, 40), objects=(1, 6), max_overlap=0.2, flip=True)


def make_image(seed: int, shape: tuple[int, int] = (32, 32)) -> RgbImage:
    """Noise without black: every pixel of it shows on the canvas."""
    noise = np.frombuffer(hashlib.shake_256(str(seed).encode()).digest(shape[0] * shape[1] * 3), np.uint8)
    return np.maximum(noise, 1).reshape(*shape, 3)


def companion(bits: RandomBits) -> tuple[RgbImage, int]:
    """One of ten images of different shapes."""
    number = bits.below(10)
    return make_image(number, (20 + 3 * number, 40 - 2 * number)), number


def compositions(config: Collage, count: int) -> list[Composed]:
    return [compose(config, make_image(0), 3, RandomBits(0, f"train/{i}/0"), companion) for i in range(count)]


def first_view(composed: Composed) -> View:
    return View(Rectangle(0, 0, *composed.pixels.shape[:2]), composed.window, mirrored=False)


def painted(config: Collage, composed: Composed) -> RgbImage:
    """The canvas as the first view shows it."""
    return paint_view(composed.pixels, first_view(composed), size=config.size)


def cut(image: NDArray[np.uint8], r: Rectangle) -> NDArray[np.uint8]:
    return image[r.ymin : r.ymin + r.height, r.xmin : r.xmin + r.width]


def test_one_object_is_the_resized_image_on_black() -> None:
    image = make_image(1)
    for composed in [*compositions(ONE, 5), compose(ONE, image, 9, RandomBits(5, "a"))]:
        (rectangle,) = composed.rectangles
        assert composed.window == rectangle and (rectangle.height, rectangle.width) == (64, 64)
        canvas = painted(ONE, composed)
        assert canvas.shape == (224, 224, 3) and canvas.dtype == np.uint8
        black = canvas.copy()
        cut(black, rectangle)[:] = 0
        assert not black.any()
    np.testing.assert_array_equal(cut(canvas, rectangle), resize(image, 64, 64))
    assert composed.labels.tolist() == [9] and composed.labels.dtype == np.int64
    assert composed.corners.tolist() == [[0, 0, 64, 64]] and composed.corners.dtype == np.float64


def test_boxes_are_float32_corners_of_the_painted_pixels() -> None:
    for composed in compositions(ONE, 20):
        rows, columns = np.nonzero(painted(ONE, composed).any(axis=-1))
        edges = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        boxes, _ = boxes_in_view(first_view(composed), composed.corners, size=224)
        assert boxes.dtype == np.float32
        np.testing.assert_array_equal(boxes, (np.array([edges]) / 224).astype(np.float32))


def test_a_corner_is_uniform_over_the_canvas_less_the_object() -> None:
    """As in the notebook, 0 to 159: the last place that would still fit, 160, is never drawn."""
    corners = np.array([(c.window.ymin, c.window.xmin) for c in compositions(ONE, 4000)])
    assert corners.min() == 0 and corners.max() == 159
    for axis in range(2):
        counts = np.bincount(corners[:, axis] // 10, minlength=16)
        assert ((counts - 250) ** 2 / 250).sum() < 37.7  # chi-squared, 15 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(corners.T)[0, 1]) < 0.06


def test_the_source_is_flipped_before_it_is_placed() -> None:
    config = dataclasses.replace(ONE, flip=True)
    image = make_image(2)
    upright, flipped = resize(image, 64, 64), resize(np.ascontiguousarray(image[:, ::-1]), 64, 64)
    seen: Counter[str] = Counter()
    corners = []
    for i in range(400):
        composed = compose(config, image, 0, RandomBits(0, f"train/{i}/0"))
        pixels = cut(painted(config, composed), composed.rectangles[0])
        seen["flipped" if np.array_equal(pixels, flipped) else "upright"] += 1
        assert np.array_equal(pixels, flipped) or np.array_equal(pixels, upright)
        corners.append(composed.window.xmin)
    assert 150 < seen["flipped"] < 250
    assert min(corners) < 8 and max(corners) > 151  # a flip mirrors the image, not its place


def test_without_flip_nothing_is_flipped() -> None:
    expected = resize(make_image(0), 64, 64)
    for composed in compositions(ONE, 50):
        np.testing.assert_array_equal(composed.pixels, expected)


def test_the_same_key_paints_the_same_bytes() -> None:
    for config in (ONE, MANY):
        for a, b in zip(compositions(config, 20), compositions(config, 20), strict=True):
            assert a.pixels.tobytes() == b.pixels.tobytes()
            assert (a.window, a.rectangles, a.labels.tolist()) == (b.window, b.rectangles, b.labels.tolist())


def test_the_bytes_are_pinned() -> None:
    digest = hashlib.sha256()
    for config, count in ((ONE, 5), (MANY, 20)):
        for composed in compositions(config, count):
            digest.update(repr((composed.window, composed.rectangles, composed.labels.tolist())).encode())
            digest.update(painted(config, composed).tobytes())
    assert digest.hexdigest() == "7e7cfe0bc20ee107d76ee567c9d55d392f715ba4c056c1254ee42ed7473df8d6"


def test_other_keys_and_seeds_place_elsewhere() -> None:
    places = {
        compose(ONE, make_image(0), 0, RandomBits(seed, key)).window
        for seed in (0, 1)
        for key in ("train/0/0", "train/0/1", "val/0/0")
    }
    assert len(places) == 6


def test_several_objects_keep_to_number_size_and_overlap() -> None:
    counts: Counter[int] = Counter()
    for composed in compositions(MANY, 300):
        counts[len(composed.rectangles)] += 1
        assert len(composed.labels) == len(composed.corners) == len(composed.rectangles)
        assert composed.labels[0] == 3
        for i, r in enumerate(composed.rectangles):
            assert 12 <= max(r.height, r.width) <= 40 and min(r.height, r.width) >= 1
            assert 0 <= r.ymin <= 112 - r.height and 0 <= r.xmin <= 112 - r.width
            assert all(overlap_share(r, other) <= 0.2 for other in composed.rectangles[:i])
    assert set(counts) == {1, 2, 3, 4, 5, 6}


def test_the_window_is_the_smallest_that_holds_all_objects() -> None:
    for composed in compositions(MANY, 100):
        rows, columns = np.nonzero(painted(MANY, composed).any(axis=-1))
        w = composed.window
        assert w == window_of(composed.rectangles) and composed.pixels.shape == (w.height, w.width, 3)
        assert (rows.min(), rows.max() + 1) == (w.ymin, w.ymin + w.height)
        assert (columns.min(), columns.max() + 1) == (w.xmin, w.xmin + w.width)


def test_later_images_lie_over_earlier_ones_and_keep_their_shape() -> None:
    config = dataclasses.replace(MANY, max_overlap=1.0, flip=False, objects=(4, 4))
    for composed in compositions(config, 20):
        last, label = composed.rectangles[-1], int(composed.labels[-1])
        image = make_image(label, (20 + 3 * label, 40 - 2 * label))
        np.testing.assert_array_equal(cut(painted(config, composed), last), resize(image, last.height, last.width))
        assert abs(last.width * image.shape[0] - last.height * image.shape[1]) <= max(image.shape)


def test_a_companion_without_a_place_is_left_out() -> None:
    config = Collage(size=64, object_size=(40, 40), objects=(3, 3))
    for i in range(20):
        composed = compose(config, make_image(0), 3, RandomBits(0, str(i)), lambda bits: (make_image(1), 4))
        assert len(composed.rectangles) == 1 and composed.labels.tolist() == [3]


def test_a_image_as_large_as_the_canvas_has_one_place() -> None:
    config = Collage(size=64, object_size=(64, 64))
    assert compose(config, make_image(0), 0, RandomBits(0, "a")).window == Rectangle(0, 0, 64, 64)


def test_a_image_may_lie_in_memory_as_it_likes() -> None:
    """CIFAR-10 keeps colour planes: an image is a transposed view of them."""
    image = make_image(4)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    config = dataclasses.replace(ONE, flip=True)
    for i in range(6):
        plain, view = (compose(config, p, 0, RandomBits(0, str(i))) for p in (image, planes.transpose(1, 2, 0)))
        np.testing.assert_array_equal(plain.pixels, view.pixels)


def test_several_objects_need_a_companion() -> None:
    config = dataclasses.replace(ONE, objects=(2, 2))
    with pytest.raises(ValueError, match=r"companion must be given for \(2, 2\) objects, got None"):
        compose(config, make_image(0), 0, RandomBits(0, "a"))


def test_corners_are_in_pixels_of_the_window() -> None:
    rectangles = [Rectangle(10, 20, 5, 6), Rectangle(8, 30, 2, 2)]
    window = window_of(rectangles)
    assert window == Rectangle(8, 20, 7, 12)
    assert corners_in(window, rectangles).tolist() == [[2, 0, 7, 6], [0, 10, 2, 12]]


def test_resizing_is_bilinear_between_pixel_centres() -> None:
    row = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert resize(row, 1, 4)[0, :, 0].tolist() == [0, 25, 75, 100]
