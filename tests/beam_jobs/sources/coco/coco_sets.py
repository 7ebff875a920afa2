"""A small COCO set for tests: what its file says may be anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beam_jobs.sources.coco.reader import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import ImageSet
from tests.beam_jobs.sources.detection_sets import made_set, write_image

MADE = made_set(train=4, val=0, test=0)


def prepared(folder: Path, content: Any, **flags: Any) -> ImageSet:
    """The source of one file, over the images of `MADE`."""
    for image in MADE:
        write_image(folder / "images" / image.name, image.shape)
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "train.json").write_bytes(text)
    flags.setdefault("test_fraction", 0.0)
    return Coco.prepare(DataPaths(annotations=str(folder / "train.json"), images=str(folder / "images"), **flags))
