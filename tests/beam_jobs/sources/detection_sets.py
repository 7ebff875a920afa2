"""One and the same small detection set, written in every format that the sources read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from beam_jobs.sources.data_paths import DataPaths

CLASSES = ("cat", "dog", "owl")
CATEGORY_IDS = (0, 3, 7)


class Made(NamedTuple):
    """An image and its boxes [x, y, width, height, class], whole pixels."""

    name: str
    split: str
    shape: tuple[int, int]
    boxes: tuple[tuple[int, int, int, int, str], ...]


def made_set(train: int = 4, val: int = 2, test: int = 2) -> list[Made]:
    """Images of several sizes with none to three boxes."""
    made = []
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            height, width = 50 + number % 7, 90 - number % 9
            every = [
                (number % 20, 2, 30, 20, CLASSES[number % 3]),
                (10, 10, width - 10, height - 10, "dog"),
                (0, 0, 1, 9, "owl"),
            ]
            made.append(Made(f"{split}_{number}.jpg", split, (height, width), tuple(every[: (number + 1) % 4])))
    return made


def write_image(path: Path, shape: tuple[int, int] = (50, 90)) -> None:
    """An image of a size, with no two rows or columns alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.indices(shape)
    pixels = np.stack([2 * rows, 2 * columns, rows + columns], axis=-1)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def coco_content(made: list[Made]) -> dict[str, Any]:
    """The JSON of some images, with a placeholder category and one that nothing has."""
    categories = [{"id": number, "name": name} for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)]
    categories = [{"id": 90, "name": "unused"}, *categories, {"id": 2, "name": "animals"}]
    annotations = [
        {
            "id": 1000 * number + place,
            "image_id": 10 + number,
            "category_id": CATEGORY_IDS[CLASSES.index(box[4])],
            "bbox": list(box[:4]),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [],
        }
        for number, image in enumerate(made)
        for place, box in enumerate(image.boxes)
    ]
    images = [
        {"id": 10 + number, "file_name": image.name, "height": 1, "width": 1} for number, image in enumerate(made)
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def voc_text(image: Made, **change: str) -> str:
    """The XML of an image; `change` replaces the text of an element, wherever it is."""
    values = {"filename": image.name, "difficult": "0", **change}
    objects = "".join(
        f"<object><name>{name}</name><difficult>{values['difficult']}</difficult><bndbox><xmin>{x + 1}</xmin>"
        f"<ymin>{y + 1}</ymin><xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
        for x, y, width, height, name in image.boxes
    )
    size = "<size><width>1</width><height>1</height><depth>3</depth></size>"
    return f"<annotation><filename>{values['filename']}</filename>{size}{objects}</annotation>"


def yolo_text(image: Made) -> str:
    """The label file of an image, to six decimals."""
    height, width = image.shape
    return "".join(
        f"{CLASSES.index(name)} {(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}\n"
        for x, y, w, h, name in image.boxes
    )


def json_line(image: Made) -> str:
    """The line of an image."""
    boxes = [{"bbox": list(box[:4]), "class": box[4]} for box in image.boxes]
    return json.dumps({"image": image.name, "boxes": boxes})


def write_coco(folder: Path, made: list[Made]) -> DataPaths:
    """As Roboflow exports it."""
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        of_split = [image for image in made if image.split == split]
        if of_split:
            for image in of_split:
                write_image(folder / name / image.name, image.shape)
            (folder / name / "_annotations.coco.json").write_text(json.dumps(coco_content(of_split)))
    return DataPaths(data_dir=str(folder))


def write_voc(folder: Path, made: list[Made]) -> DataPaths:
    """The published layout."""
    for part in ("Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for image in made:
        write_image(folder / "JPEGImages" / image.name, image.shape)
        (folder / "Annotations" / image.name.replace(".jpg", ".xml")).write_text(voc_text(image))
        with (folder / f"ImageSets/Main/{image.split}.txt").open("a") as names:
            names.write(image.name.removesuffix(".jpg") + "\n")
    return DataPaths(data_dir=str(folder))


def write_yolo(folder: Path, made: list[Made]) -> DataPaths:
    """With a data.yaml."""
    for image in made:
        write_image(folder / "images" / image.split / image.name, image.shape)
        label = folder / "labels" / image.split / image.name.replace(".jpg", ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(yolo_text(image))
    splits = "".join(f"{split}: images/{split}\n" for split in sorted({image.split for image in made}))
    (folder / "data.yaml").write_text(f"{splits}names: [{', '.join(CLASSES)}]\nnc: 3\n")
    return DataPaths(data_dir=str(folder))


def write_jsonl(folder: Path, made: list[Made]) -> DataPaths:
    """A list for each split, one image folder."""
    flags: dict[str, Any] = {}
    for split, flag in (("train", "annotations"), ("val", "val_annotations"), ("test", "test_annotations")):
        of_split = [image for image in made if image.split == split]
        for image in of_split:
            write_image(folder / "images" / image.name, image.shape)
        if of_split:
            (folder / f"{split}.jsonl").write_text("".join(json_line(image) + "\n" for image in of_split))
            flags[flag] = str(folder / f"{split}.jsonl")
    return DataPaths(images=str(folder / "images"), **flags)


WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "jsonl": write_jsonl}
