"""Zoom and crop: the same for the same bits, within the settings, and every choice is made."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.compositions.crop import Crop, draw_window
from pipeline.compositions.random_bits import RandomBits
from pipeline.compositions.view import Rectangle, move_boxes_to_view, show_window
from pipeline.geometry.boxes import iou

SHAPE = (200, 300)
BOXES = np.array([[20.0, 30, 120, 130], [150, 200, 180, 290], [0, 0, 8, 8]])
NO_ZOOM = Crop(zoom_out=(1.0, 1.0))
# Of the first four keys. What is drawn may not change from one version to the next: records must be the same bytes.
PINNED = [
    Rectangle(ymin=-47, xmin=52, height=216, width=276),
    Rectangle(ymin=18, xmin=44, height=114, width=108),
    Rectangle(ymin=-151, xmin=-82, height=425, width=808),
    Rectangle(ymin=-449, xmin=-201, height=643, width=1101),
]


def windows(config: Crop, boxes: np.ndarray, count: int = 1000) -> list[Rectangle]:
    return [draw_window(config, SHAPE, boxes, RandomBits(0, f"train/{k}/0/1")) for k in range(count)]


def test_the_bits_decide() -> None:
    assert windows(Crop(), BOXES, 50) == windows(Crop(), BOXES, 50)
    assert len(set(windows(Crop(), BOXES, 50))) > 30


def test_pinned() -> None:
    assert windows(Crop(), BOXES, 4) == PINNED


def test_every_window_shows_a_centre() -> None:
    for window in windows(Crop(), BOXES):
        view = show_window(window, SHAPE, canvas=(96, 96), mirrored=False)
        assert len(move_boxes_to_view(view, BOXES, canvas=(96, 96))[1])


def test_half_of_the_images_are_zoomed_out() -> None:
    frames = windows(Crop(sides=(1.0, 1.0)), BOXES)  # every crop is the whole frame
    larger = [w for w in frames if w.height > SHAPE[0]]
    assert 0.45 < len(larger) / len(frames) < 0.55
    for w in larger:
        assert w.height <= 4 * SHAPE[0] and abs(w.width / w.height - 1.5) < 0.01
        assert -w.height + SHAPE[0] <= w.ymin <= 0 and -w.width + SHAPE[1] <= w.xmin <= 0
    assert 450 < np.mean([w.height for w in larger]) < 550  # uniform between 200 and 800


def test_crops_keep_to_sides_and_ratios() -> None:
    crops = [w for w in windows(NO_ZOOM, BOXES) if w != Rectangle(0, 0, *SHAPE)]
    assert len(crops) > 700
    for w in crops:
        assert 59 <= w.height <= 200 and 89 <= w.width <= 300
        assert 0.5 <= w.width / w.height <= 2.0
        assert w.ymin >= 0 and w.xmin >= 0 and w.ymin + w.height <= 200 and w.xmin + w.width <= 300


@pytest.mark.parametrize(
    ("least", "sides", "box"),
    [
        (0.3, (0.3, 0.8), [40.0, 60, 150, 200]),
        (0.5, (0.3, 0.8), [40.0, 60, 150, 200]),
        (0.9, (0.9, 1.0), [0.0, 0, *SHAPE]),
    ],
)
def test_a_crop_overlaps_some_box_as_much_as_asked(least: float, sides: tuple[float, float], box: list[float]) -> None:
    def share(config: Crop) -> float:
        """The share of crops, not of frames, that overlap the box enough."""
        crops = [w for w in windows(config, np.array([box])) if w != Rectangle(0, 0, *SHAPE)]
        corners = np.array([[w.ymin, w.xmin, w.ymin + w.height, w.xmin + w.width] for w in crops], np.float64)
        return float((iou(np.array([box]), corners)[0] >= least).mean())

    anything = share(Crop(zoom_out=(1.0, 1.0), min_ious=(), sides=sides))
    asked = share(Crop(zoom_out=(1.0, 1.0), min_ious=(least,), sides=sides))
    assert abs(asked - (0.5 + 0.5 * anything)) < 0.06  # half of the crops are asked for the overlap


def test_an_image_without_boxes_is_cropped_too() -> None:
    some = windows(NO_ZOOM, np.zeros((0, 4)))
    assert 0.08 < sum(w == Rectangle(0, 0, *SHAPE) for w in some) / len(some) < 0.25  # one choice of seven


def test_where_no_crop_fits_the_frame_is_shown() -> None:
    impossible = Crop(zoom_out=(1.0, 1.0), min_ious=(0.9,), sides=(0.3, 0.3), aspect_ratios=(9.0, 9.0))
    assert set(windows(impossible, BOXES, 20)) == {Rectangle(0, 0, *SHAPE)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 2)])
def test_tiny_images(shape: tuple[int, int]) -> None:
    for k in range(200):
        window = draw_window(Crop(), shape, np.array([[0.0, 0, *shape]]), RandomBits(0, str(k)))
        assert show_window(window, shape, canvas=(32, 32), mirrored=False).shown.height >= 1
