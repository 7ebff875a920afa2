"""A small COCO set for tests: what its file says may be anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beam_jobs.sources.coco import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.picture_set import PictureSet
from tests.beam_jobs.sources.detection_sets import made_set, write_picture

MADE = made_set(train=4, val=0, test=0)


def prepared(folder: Path, content: Any, **flags: Any) -> PictureSet:
    """The source of one file, over the pictures of `MADE`."""
    for picture in MADE:
        write_picture(folder / "pictures" / picture.name, picture.shape)
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "train.json").write_bytes(text)
    flags.setdefault("test_fraction", 0.0)
    return Coco.prepare(DataPaths(annotations=str(folder / "train.json"), images=str(folder / "pictures"), **flags))
