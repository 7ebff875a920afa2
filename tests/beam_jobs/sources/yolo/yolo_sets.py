"""Small YOLO sets, written file by file."""

from __future__ import annotations

from pathlib import Path

from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.source import SourceBox
from beam_jobs.sources.yolo.reader import Yolo
from tests.beam_jobs.sources.detection_sets import write_image

LABEL = "1 0.5 0.25 0.5 0.25\n"
BOX = SourceBox(0.125, 0.25, 0.375, 0.75, "dog", relative=True)  # of LABEL, where class 1 is dog


def write(folder: Path, *images: str, labels: dict[str, str] | None = None, yaml: str | None = None) -> None:
    """Writes images, text files by name, and data.yaml, into a folder."""
    for name in images:
        write_image(folder / name)
    for name, text in (labels or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if yaml is not None:
        (folder / "data.yaml").write_text(yaml)


def prepared(folder: Path) -> ImageSet:
    """The source of a data folder."""
    return Yolo.prepare(DataPaths(data_dir=str(folder)))


def items_of(source: ImageSet) -> list[tuple[str, str, int]]:
    """Split, id and number of boxes of each item."""
    return [(item.split, item.source_id, len(item.boxes or ())) for item in source.items()]
