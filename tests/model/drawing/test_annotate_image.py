"""Annotated copies of images: what is drawn, and that no name and no box breaks it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from model.detection.own_pixels import FoundObjects
from model.drawing.annotate_image import annotate_image, encode_image_file, pick_class_colour

pytestmark = pytest.mark.any_stack


def objects(*boxes: tuple[float, float, float, float]) -> FoundObjects:
    return FoundObjects(np.array(boxes).reshape(-1, 4), np.arange(len(boxes)), np.linspace(1.0, 0.5, len(boxes)))


def test_boxes_are_outlined_in_the_colour_of_their_class() -> None:
    image = np.full((200, 300, 3), 90, np.uint8)
    drawn = annotate_image(image, objects((50, 100, 150, 200), (160, 10, 190, 60)), ["a", "b"])
    assert drawn.shape == image.shape and (image == 90).all()
    for row, column in ((100, 100), (149, 150), (100, 199)):
        assert tuple(drawn[row, column]) == pick_class_colour(0)
    assert (drawn[60:140, 110:190] == 90).all() and (drawn[152:, 100:] == 90).all()
    assert tuple(drawn[189, 30]) == pick_class_colour(1)


def test_without_detections_the_copy_is_the_image() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(annotate_image(image, objects(), []), image)


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (20, 20)])
@pytest.mark.parametrize("name", ["", "x" * 10_000, "a\nb\0", "é 画像 🙂", "$x$ <b>"])
def test_any_name_and_any_box_can_be_drawn(shape: tuple[int, int], name: str) -> None:
    height, width = shape
    image = np.zeros((height, width, 3), np.uint8)
    boxes = objects((0, 0, height, width), (0, 0, 1e-3, 1e-3), (height - 1e-3, width - 1e-3, height, width))
    assert annotate_image(image, boxes, [name] * 3).shape == (height, width, 3)


@pytest.mark.parametrize(("suffix", "kind"), [(".JPG", "JPEG"), (".jpeg", "JPEG"), (".png", "PNG"), (".PNG", "PNG")])
def test_the_kind_of_file_is_that_of_its_name(suffix: str, kind: str) -> None:
    image = np.full((20, 30, 3), 77, np.uint8)
    read = Image.open(io.BytesIO(encode_image_file(image, suffix)))
    assert read.format == kind and read.size == (30, 20)
    np.testing.assert_allclose(np.asarray(read), image, atol=2)


def test_neighbouring_classes_have_different_colours() -> None:
    colours = np.array([pick_class_colour(label) for label in range(8)], int)
    distances = np.abs(colours[:, None] - colours).sum(axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 60
