"""Images that were resized or rotated after they were annotated are told of: their boxes lie elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from beam_jobs.sources.coco import Coco
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.declared_sizes import declared_shape, size_notes
from beam_jobs.sources.image_set import ImageSet
from beam_jobs.sources.voc_xml import parse_voc
from tests.beam_jobs.sources.detection_sets import coco_content, made_set, write_image

MADE = made_set(train=4, val=0, test=0)


def prepared(folder: Path, *, declared: dict[str, tuple[int, int]]) -> ImageSet:
    """Four images, of which some are declared with a height and a width."""
    content = coco_content(MADE)
    for row, image in zip(content["images"], MADE, strict=True):
        write_image(folder / image.name, image.shape)
        row["height"], row["width"] = declared.get(image.name, (0, 0))
    (folder / "train.json").write_text(json.dumps(content))
    return Coco.prepare(DataPaths(annotations=str(folder / "train.json"), images=str(folder)))


def test_other_sizes_are_counted_and_one_is_shown(tmp_path: Path) -> None:
    sizes = {image.name: image.shape for image in MADE}
    assert size_notes(prepared(tmp_path, declared=sizes)) == []
    (line,) = size_notes(prepared(tmp_path, declared=sizes | {"train_2.jpg": (104, 176)}))
    assert line.startswith("note: 1 of 4 images looked at have another size than the annotations say, such as ")
    assert "train_2.jpg: 88 x 52 pixels (upright), not 176 x 104. Boxes are taken as pixels of the upright" in line


def test_a_image_that_exif_turns_differs_from_its_stored_size(tmp_path: Path) -> None:
    source = prepared(tmp_path, declared={"train_0.jpg": (50, 90)})
    assert size_notes(source) == []
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    Image.open(tmp_path / "train_0.jpg").save(tmp_path / "train_0.jpg", exif=exif)
    (line,) = size_notes(source)
    assert "1 of 1 image looked" in line and "train_0.jpg: 50 x 90 pixels (upright), not 90 x 50" in line


def test_the_size_of_voc(tmp_path: Path) -> None:
    def size(height: str, width: str) -> tuple[int, int] | None:
        return parse_voc(
            f"<annotation><size><height>{height}</height><width>{width}</width></size></annotation>".encode()
        ).declared

    assert size("50", " 90 ") == (50, 90)
    assert {size("0", "0"), size("", "90"), size("50.5", "90"), size("-5", "9"), size("9" * 20, "9")} == {None}


def test_sizes_that_nobody_knows_and_missing_images_are_left_out(tmp_path: Path) -> None:
    assert size_notes(prepared(tmp_path, declared={})) == []
    source = prepared(tmp_path, declared={image.name: (1, 1) for image in MADE})
    for image in MADE[1:]:
        (tmp_path / image.name).unlink()
    (line,) = size_notes(source)
    assert line.startswith("note: 1 of 4 images looked at")
    assert declared_shape(50, 90) == (50, 90)
    assert {declared_shape(*size) for size in ((0, 90), ("50", 90), (True, 9), (5.0, 9), (None, None), (3, -1))} == {
        None
    }
