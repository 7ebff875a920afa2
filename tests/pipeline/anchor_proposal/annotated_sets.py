"""The boxes of annotated sets as they lie on a letterboxed canvas, read without the project's own sources."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from pipeline.geometry.boxes import Array


def letterboxed(boxes: Iterable[tuple[float, float, float, float]], height: int, width: int) -> Array:
    """Boxes (ymin, xmin, ymax, xmax) in pixels of an image, as corners in [0, 1] of the canvas that it just fits."""
    corners = np.array(list(boxes), np.float64).reshape(-1, 4) / max(height, width)
    return corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)]


def make_coco_boxes(files: Iterable[Path]) -> Array:
    """The boxes of COCO JSON files, crowd regions left out, [G, 4]."""
    found = []
    for file in files:
        values = json.loads(file.read_text())
        boxes: dict[int, list[tuple[float, float, float, float]]] = {}
        for annotation in values["annotations"]:
            x, y, width, height = annotation["bbox"]
            if not annotation.get("iscrowd"):
                boxes.setdefault(annotation["image_id"], []).append((y, x, y + height, x + width))
        found += [letterboxed(boxes.get(i["id"], []), i["height"], i["width"]) for i in values["images"]]
    return np.concatenate(found)


def voc_boxes(folder: Path) -> Array:
    """The boxes of a folder of Pascal VOC's XML files, [G, 4]."""
    found = []
    for file in sorted(folder.glob("*.xml")):
        root = ElementTree.parse(file).getroot()
        height, width = (int(root.findtext(f"size/{side}", "0")) for side in ("height", "width"))
        boxes = []
        for box in root.iter("bndbox"):
            ymin, xmin, ymax, xmax = (float(box.findtext(k, "nan")) for k in ("ymin", "xmin", "ymax", "xmax"))
            boxes.append((ymin, xmin, ymax, xmax))
        found.append(letterboxed(boxes, height, width))
    return np.concatenate(found)
