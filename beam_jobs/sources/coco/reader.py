"""Sets annotated in COCO's JSON (Lin et al., 2014; the format is described at cocodataset.org, "Data format")."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from beam_jobs.sources.annotation_files import decode_json, read_annotations
from beam_jobs.sources.boxes import make_box
from beam_jobs.sources.coco.categories import Category, CategoryList, name_classes
from beam_jobs.sources.coco.folders import find_parts
from beam_jobs.sources.data_paths import DataPaths, Part
from beam_jobs.sources.image_files import refer_to_fault, refer_to_image
from beam_jobs.sources.image_set import Annotated, ImageSet, parse_declared_size
from beam_jobs.sources.source import Item, SourceBox
from pipeline.errors import format_count, show_value
from pipeline.records.keys import format_image_id

MAX_COCO_BYTES = 1 << 33  # COCO's own train2017 has 450 MB


class _Image(msgspec.Struct):
    id: Any = None
    file_name: Any = None
    height: Any = None
    width: Any = None


class _Annotation(msgspec.Struct):
    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    area: Any = None
    iscrowd: Any = None


_Else = list[Any] | str | float | int | bool | None  # values found where a JSON object should be


class _File(msgspec.Struct):
    images: list[_Image | _Else]
    annotations: list[_Annotation | _Else] = []
    categories: list[Category | _Else] = []


_decoder = msgspec.json.Decoder(_File)


@dataclass(frozen=True)
class Coco:
    """COCO files and their image folders.

    An image's name is its `file_name`, relative to the image folder. Categories are in the order of their ids;
    those that no annotation has are left out. A `bbox` is [x, y, width, height] in pixels. The sizes that the file
    declares for images are only compared. An annotation of an unknown image becomes an item that cannot be read.
    """

    parts: tuple[Part, ...]

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of these files. Raises `UserError`."""
        return ImageSet.prepare("coco", Coco(find_parts(paths)), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.parts)

    def read(self) -> Annotated:
        """Reads the files. Raises `UserError` if one is missing or is not COCO JSON."""
        contents = [read_annotations(part.annotations, limit=MAX_COCO_BYTES) for part in self.parts]
        files = [decode_json(data, _decoder, part.annotations) for part, data in zip(self.parts, contents, strict=True)]
        digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in contents)).hexdigest()
        del contents
        names = name_classes(
            [
                CategoryList(part.annotations, file.categories, _find_used_ids(file))
                for part, file in zip(self.parts, files, strict=True)
            ]
        )
        ids = tuple(sorted(names))
        items: list[Item] = []
        for folder, (part, file) in enumerate(zip(self.parts, files, strict=True)):
            items.extend(_list_items(file, folder, part, names))
        return Annotated(items, tuple(names[number] for number in ids), ids, digest)


def _find_used_ids(file: _File) -> frozenset[int]:
    """The ids of the categories that a file's annotations have."""
    ids = (annotation.category_id for annotation in file.annotations if isinstance(annotation, _Annotation))
    return frozenset(number for number in ids if type(number) is int)


def _list_items(file: _File, folder: int, part: Part, names: dict[int, str]) -> Iterator[Item]:
    """The items of one file: its images, then one for each unlisted image and each annotation without an image."""
    where = os.path.basename(part.annotations)
    boxes, lost = _group_boxes(file, names)
    listed: set[int | str] = set()
    for number, image in enumerate(file.images):
        fault = _find_fault(image, listed)
        if fault is not None or not isinstance(image, _Image):
            if isinstance(image, _Image) and type(image.id) in (int, str):
                listed.add(image.id)  # its boxes go with it
            reason = f"image {number} of {where} {fault}"
            yield Item(part.split, f"{where} image {number}", refer_to_fault(reason), boxes=())
            continue
        listed.add(image.id)
        found = tuple(boxes.get(image.id, ()))
        reference = refer_to_image(folder, image.file_name)
        image_id, declared = format_image_id(image.id), parse_declared_size(image.height, image.width)
        yield Item(part.split, image.file_name, reference, boxes=found, image_id=image_id, declared=declared)
    for unlisted, found_boxes in boxes.items():
        if unlisted not in listed:
            has = f"has {format_count(len(found_boxes), 'annotation')}"
            reason = f"image {show_value(unlisted)} {has} in {where}, but is not among its images"
            yield Item(part.split, f"{where} image id {unlisted}", refer_to_fault(reason), boxes=())
    for number, annotation in lost:
        reason = f"annotation {number} of {where} must be an object with an `image_id`, got {show_value(annotation)}"
        yield Item(part.split, f"{where} annotation {number}", refer_to_fault(reason), boxes=())


def _find_fault(image: _Image | _Else, listed: set[int | str]) -> str | None:
    if not isinstance(image, _Image):
        return f"must be an object, got {show_value(image)}"
    if type(image.id) not in (int, str):
        return f"must have an integer or a string as `id`, got {show_value(image.id)}"
    if image.id in listed:
        return f"has the `id` {show_value(image.id)}, which an image before it has"
    if not isinstance(image.file_name, str) or not image.file_name:
        return f"must have a `file_name`, got {show_value(image.file_name)}"
    return None


def _group_boxes(
    file: _File, names: dict[int, str]
) -> tuple[dict[int | str, list[SourceBox]], list[tuple[int, object]]]:
    """The boxes by image id, and the annotations that name no image, with their numbers."""
    boxes: dict[int | str, list[SourceBox]] = {}
    lost: list[tuple[int, object]] = []
    for number, annotation in enumerate(file.annotations):
        if not isinstance(annotation, _Annotation) or type(annotation.image_id) not in (int, str):
            lost.append((number, annotation))
            continue
        boxes.setdefault(annotation.image_id, []).append(_read_box(annotation, names))
    return boxes, lost


def _read_box(annotation: _Annotation, names: dict[int, str]) -> SourceBox:
    category = annotation.category_id
    fault = None
    if type(category) is not int or category not in names:
        fault = f"must be of a known category, got {show_value(category)}"
    return make_box(
        annotation.bbox,
        class_name="" if fault else names[category],
        fault=fault,
        crowd=annotation.iscrowd,
        area=annotation.area,
    )
