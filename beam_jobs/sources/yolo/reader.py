"""Sets annotated in YOLO's text labels, a file for each image (the format of Darknet and Ultralytics)."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beam_jobs.sources.annotation_files import read_annotations, read_lines
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import (
    is_fault,
    leads_out,
    list_files,
    parse_reference,
    refer_to_fault,
    refer_to_image,
    strip_extension,
)
from beam_jobs.sources.image_set import Annotated, ImageSet
from beam_jobs.sources.source import Item, SourceBox
from beam_jobs.sources.splits import SPLIT_WORDS
from beam_jobs.sources.yolo.folders import YoloFolders, YoloPart, find_folders
from pipeline.errors import UserError, format_count, make_printable, show_value
from pipeline.records.image_file import is_image_name

MAX_LABEL_BYTES = 1 << 24
_NO_LABELS = ("classes", *SPLIT_WORDS)  # text files that may lie among the labels


@dataclass(frozen=True)
class Yolo:
    """Images and their label files.

    The label file of `images/…/a.jpg` is `labels/…/a.txt`; for an image in no folder `images`, it is next to the
    image. An image without a label file shows no objects, but a split must have some label files. A label file
    without an image is an item that cannot be read.
    """

    places: YoloFolders

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of this folder. Raises `UserError`."""
        paths.allow("yolo", "data_dir", "test_fraction")
        return ImageSet.prepare("yolo", Yolo(find_folders(paths.folder("yolo"))), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.places.parts)

    def read(self) -> Annotated:
        """Reads every label file. Raises `UserError` if a folder, a list, or all labels of a split are missing."""
        digest = hashlib.sha256(b"pose" if self.places.pose else b"")  # it decides how a line is read
        items: list[Item] = []
        labelled: set[str] = set()
        for number, part in enumerate(self.places.parts):
            items.extend(self._list_items(number, part, digest, labelled))
        self._check_labels([item for item in items if item.split not in labelled and not _is_unusable(item.reference)])
        names = self.places.names
        if names is None:
            numbers = {int(box.class_name) for item in items for box in item.boxes or () if box.fault is None}
            names = tuple((number, str(number)) for number in sorted(numbers))
        return Annotated(items, tuple(n for _, n in names), tuple(number for number, _ in names), digest.hexdigest())

    def _list_items(self, folder: int, part: YoloPart, digest: Any, labelled: set[str]) -> Iterator[Item]:
        """The items of a part: its images, then the label files without an image.

        Updates the digest with every label file, and adds the split to `labelled` if an image has one.
        """
        names = None if self.places.names is None else dict(self.places.names)
        used = set()
        for name in _list_images(part):
            label = self._find_label(f"{part.images}/{name}")
            used.add(label)
            boxes: tuple[SourceBox, ...] = ()
            has_label = os.path.exists(label)
            if has_label:
                labelled.add(part.split)
            if has_label and not leads_out(name):
                data = read_annotations(label, limit=MAX_LABEL_BYTES)
                digest.update(f"{part.split}\0{name}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
                boxes = parse_labels(data, names, pose=self.places.pose)
            yield Item(part.split, name, refer_to_image(folder, name), boxes=boxes)
        if part.listed is None:
            labels = os.path.dirname(self._find_label(f"{part.images}/x.jpg"))
            for name in list_files(labels) if os.path.isdir(labels) else ():
                is_label = name.lower().endswith(".txt") and strip_extension(name) not in _NO_LABELS
                if is_label and f"{labels}/{name}" not in used:
                    reason = f"{name} labels no image: there is none of that name"
                    yield Item(part.split, name, refer_to_fault(reason), boxes=())

    def _check_labels(self, unlabelled: list[Item]) -> None:
        """Raises `UserError` if there are images of splits in which no image has a label file."""
        if not unlabelled:
            return
        split = unlabelled[0].split
        folder, name = parse_reference(unlabelled[0].reference)
        count = sum(item.split == split for item in unlabelled)
        label = self._find_label(f"{self.places.parts[folder].images}/{name}")
        raise UserError(
            f"none of the {format_count(count, 'image')} of {split} has a label file, such as {make_printable(label)}; "
            "an empty file means no objects; if the split has no labels, leave it out"
        )

    def _find_label(self, image: str) -> str:
        """The label file of an image, both whole paths."""
        root = f"{self.places.root}/"
        base = root if image.startswith(root) else "/"  # a folder `images` above the set means nothing
        before, images, after = f"/{image.removeprefix(base)}".rpartition("/images/")
        label = f"{before}/labels/{after}" if images else after
        return base + strip_extension(label).removeprefix("/") + ".txt"


def _list_images(part: YoloPart) -> list[str]:
    """The names of a part's images in its folder."""
    if part.listed is None:
        return [name for name in list_files(part.images) if is_image_name(name)]
    beside = os.path.dirname(part.listed)
    starts = (f"{part.images}/", f"{os.path.realpath(part.images)}/")  # the set may be reached by a symbolic link
    return [_shorten(starts, line, beside) for line in read_lines(part.listed)]


def _shorten(starts: tuple[str, ...], name: str, beside: str) -> str:
    """A line of a list as a name relative to the folder, whose paths are the starts. `./` is the list's own folder."""
    if name.startswith("./"):
        name = f"{beside}/{name[2:]}"
    return name.removeprefix(next(filter(name.startswith, starts), ""))


def _is_unusable(reference: str) -> bool:
    """Whether there is a reason against the image already, so that its label file does not matter."""
    return is_fault(reference) or leads_out(parse_reference(reference)[1])


def parse_labels(data: bytes, names: Mapping[int, str] | None, *, pose: bool = False) -> tuple[SourceBox, ...]:
    """Parses a label file: a line for each object. A line that cannot be used becomes a box with a fault.

    Args:
        data: lines of a class number and either `cx cy w h`, the middle and size of a box, or the corners `x y` of a
            polygon, at least three, whose bounding box is taken. All are shares of the image's width or height.
        names: of the classes by number; None: a class is named by its number.
        pose: whether key points follow the box. They are not read.

    Returns:
        Boxes relative to the image's size.
    """
    lines = data.decode("utf-8", "backslashreplace").splitlines()
    return tuple(_parse_label(line, names, pose) for line in lines if not line.isspace() and line)


def _parse_label(line: str, names: Mapping[int, str] | None, pose: bool) -> SourceBox:
    try:
        number, *values = [float(text) for text in line.split()]
    except ValueError:
        return _reject_label(line)
    # Some programs write 3.0 for class 3. A sum is finite only if all its numbers are.
    if not (number.is_integer() and 0 <= number < 2**31 and math.isfinite(sum(values)) and line.isascii()):
        return _reject_label(line)
    name = str(int(number)) if names is None else names.get(int(number))
    if name is None:
        fault = f"must be of a known class, got class {int(number)}"
        return SourceBox(math.nan, math.nan, math.nan, math.nan, "", relative=True, fault=fault)
    if len(values) == 4 or (pose and len(values) > 4):
        x, y, width, height = values[:4]
        return SourceBox(y - height / 2, x - width / 2, y + height / 2, x + width / 2, name, relative=True)
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return SourceBox(min(ys), min(xs), max(ys), max(xs), name, relative=True)
    return _reject_label(line)


def _reject_label(line: str) -> SourceBox:
    fault = f"must be a class number and four numbers, or a polygon's corners, got the line {show_value(line)}"
    return SourceBox(math.nan, math.nan, math.nan, math.nan, "", relative=True, fault=fault)
