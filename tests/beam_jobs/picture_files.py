"""A source of tests: a folder of picture files, and a list that says which boxes are in each."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from beam_jobs.sources.picture_file import picture_file_shape, read_picture_file
from beam_jobs.sources.source import Item, SourceBox
from pipeline.files import file_sha256
from pipeline.views.collage import Picture
from pipeline.views.placement import Shape

CLASSES = ("cat", "dog", "bird")
LIST = "boxes.json"


@dataclass(frozen=True)
class PictureFiles:
    """Items are the entries of the list: a file, and its boxes `[ymin, xmin, ymax, xmax, class name]` in pixels."""

    folder: str
    name: str = "picture_files"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Three animals."""
        return CLASSES

    def fingerprint(self) -> str:
        """Of the list alone."""
        return file_sha256(Path(self.folder) / LIST)

    def items(self) -> list[Item]:
        """One for every entry of the list; a fifth is the test split."""
        entries = json.loads((Path(self.folder) / LIST).read_text())
        return [
            Item(
                "test" if number % 5 == 0 else "train",
                entry["id"],
                str(Path(self.folder) / entry["file"]),
                boxes=tuple(SourceBox(*box) for box in entry["boxes"]),
            )
            for number, entry in enumerate(entries)
        ]

    def shape(self, reference: str) -> Shape:
        """From the file's header."""
        return picture_file_shape(reference)

    def read(self, reference: str) -> Picture:
        """The decoded file."""
        return read_picture_file(reference)


def write_pictures(folder: Path, *, count: int, seed: int = 0) -> Path:
    """Writes pictures of several sizes, every third a JPEG, one to three boxes each, and the list. -> the folder."""
    choose = random.Random(seed)
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    for number in range(count):
        height, width = choose.randint(20, 60), choose.randint(20, 60)
        colours = np.frombuffer(choose.randbytes(27), np.uint8).reshape(3, 3, 3)
        name = f"{number:04d}." + ("jpg" if number % 3 == 0 else "png")
        Image.fromarray(colours).resize((width, height)).save(folder / name)
        boxes = []
        for _ in range(choose.randint(1, 3)):
            ymin, xmin = choose.uniform(0, height - 10), choose.uniform(0, width - 10)
            ymax, xmax = choose.uniform(ymin + 5, height), choose.uniform(xmin + 5, width)
            boxes.append([ymin, xmin, ymax, xmax, choose.choice(CLASSES)])
        entries.append({"id": f"{number:04d}", "file": name, "boxes": boxes})
    (folder / LIST).write_text(json.dumps(entries))
    return folder
