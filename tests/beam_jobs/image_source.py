"""A source for tests: image files with boxes of their own, as a detection set has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from beam_jobs.sources.image_files import read_image, read_shape
from beam_jobs.sources.source import Check, Item, Source, SourceBox
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape

CLASSES = ("circle", "square")


@dataclass
class ImageSource(Source):
    """Images in a folder, and whatever items a test lists."""

    folder: str
    listed: list[Item] = field(default_factory=list)
    name: str = "images"
    class_names: tuple[str, ...] = CLASSES
    has_test: bool = True

    def fingerprint(self, *, check: Check = "sizes") -> str:
        return repr(self.listed)

    def items(self) -> list[Item]:
        return self.listed

    def shape(self, reference: str) -> Shape:
        return read_shape(str(Path(self.folder) / reference))

    def read(self, reference: str) -> RgbImage:
        return read_image(str(Path(self.folder) / reference))


def write_image(path: Path, number: int) -> tuple[SourceBox, ...]:
    """Draws a bright square and a circle on noise, as PNG or JPEG by the path's name. Returns their boxes, pixels."""
    noise = np.random.Generator(np.random.Philox(key=number))
    height, width = 60 + number % 5 * 10, 60 + number % 7 * 10
    image = noise.integers(0, 60, (height, width, 3), np.uint8)
    y, x = number % 11, number % 13
    image[y : y + 20, x : x + 24] = 255
    cv2.circle(image, (width - 16, height - 16), 12, (200, 255, 90), -1)
    assert cv2.imwrite(str(path), image)
    return (
        SourceBox(y, x, y + 20, x + 24, "square"),
        SourceBox(height - 28, width - 28, height - 4, width - 4, "circle"),
    )


def write_images(
    folder: Path, count: int, split: str | None = None, *, formats: tuple[str, ...] = ("jpg", "png")
) -> ImageSource:
    """Makes a folder of images and the source that reads them. Without a split, every fifth image is for test."""
    folder.mkdir(parents=True, exist_ok=True)
    source = ImageSource(str(folder))
    for number in range(count):
        name = f"{number:05d}.{formats[number % len(formats)]}"
        boxes = write_image(folder / name, number)
        of_split = split or ("train" if number % 5 else "test")
        source.listed.append(Item(of_split, f"{number:05d}", name, boxes=boxes))
    return source
