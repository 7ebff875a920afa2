"""Sets annotated in YOLO's text labels, a file for each image (the format of Darknet and Ultralytics)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beam_jobs.sources.annotation_file import MAX_LIST_BYTES, read_annotations
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_reference import fault_reference, image_reference, is_fault, leads_out, split_reference
from beam_jobs.sources.image_set import Annotated, ImageSet
from beam_jobs.sources.listing import list_files, stem
from beam_jobs.sources.source import Item, SourceBox
from beam_jobs.sources.split_folders import SPLIT_WORDS
from beam_jobs.sources.yolo_label import parse_yolo
from beam_jobs.sources.yolo_layout import YoloLayout, YoloPart, yolo_layout
from pipeline.errors import UserError, counted, printable
from pipeline.records.image_file import is_image_name

MAX_LABEL_BYTES = 1 << 24
NO_LABELS = ("classes", *SPLIT_WORDS)  # text files that may lie among the labels


@dataclass(frozen=True)
class Yolo:
    """Images and their label files.

    The label file of `images/…/a.jpg` is `labels/…/a.txt`; for an image in no folder `images`, it is next to the
    image. An image without a label file shows no objects, but a split must have some label files. A label file
    without an image is an item that cannot be read.
    """

    layout: YoloLayout

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of this folder. Raises `UserError`."""
        paths.allow("yolo", "data_dir", "test_fraction")
        return ImageSet.prepare("yolo", Yolo(yolo_layout(paths.folder("yolo"))), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.layout.parts)

    def read(self) -> Annotated:
        """Reads every label file. Raises `UserError` if a folder, a list, or all labels of a split are missing."""
        digest = hashlib.sha256(b"pose" if self.layout.pose else b"")  # it decides how a line is read
        items: list[Item] = []
        labelled: set[str] = set()
        for number, part in enumerate(self.layout.parts):
            items.extend(self._items(number, part, digest, labelled))
        self._check_labels([item for item in items if item.split not in labelled and not _is_unusable(item.reference)])
        names = self.layout.names
        if names is None:
            numbers = {int(box.class_name) for item in items for box in item.boxes or () if box.fault is None}
            names = tuple((number, str(number)) for number in sorted(numbers))
        return Annotated(items, tuple(n for _, n in names), tuple(number for number, _ in names), digest.hexdigest())

    def _items(self, folder: int, part: YoloPart, digest: Any, labelled: set[str]) -> Iterator[Item]:
        """The items of a part: its images, then the label files without an image.

        Updates the digest with every label file, and adds the split to `labelled` if an image has one.
        """
        names = None if self.layout.names is None else dict(self.layout.names)
        used = set()
        for name in _images_of(part):
            label = self._label_path(f"{part.images}/{name}")
            used.add(label)
            boxes: tuple[SourceBox, ...] = ()
            has_label = os.path.exists(label)
            if has_label:
                labelled.add(part.split)
            if has_label and not leads_out(name):
                data = read_annotations(label, limit=MAX_LABEL_BYTES)
                digest.update(f"{part.split}\0{name}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
                boxes = parse_yolo(data, names, pose=self.layout.pose)
            yield Item(part.split, name, image_reference(folder, name), boxes=boxes)
        if part.listed is None:
            labels = os.path.dirname(self._label_path(f"{part.images}/x.jpg"))
            for name in list_files(labels) if os.path.isdir(labels) else ():
                is_label = name.lower().endswith(".txt") and stem(name) not in NO_LABELS
                if is_label and f"{labels}/{name}" not in used:
                    reason = f"{name} must be the label file of an image, got none of that name"
                    yield Item(part.split, name, fault_reference(reason), boxes=())

    def _check_labels(self, unlabelled: list[Item]) -> None:
        """Raises `UserError` if there are images of splits in which no image has a label file."""
        if not unlabelled:
            return
        split = unlabelled[0].split
        folder, name = split_reference(unlabelled[0].reference)
        count = sum(item.split == split for item in unlabelled)
        label = self._label_path(f"{self.layout.parts[folder].images}/{name}")
        raise UserError(
            f"none of the {counted(count, 'image')} of {split} has a label file, such as {printable(label)}; "
            "an empty file means no objects; if the split has no labels, leave it out"
        )

    def _label_path(self, image: str) -> str:
        """The label file of an image, both whole paths."""
        root = f"{self.layout.root}/"
        base = root if image.startswith(root) else "/"  # a folder `images` above the set means nothing
        before, images, after = f"/{image.removeprefix(base)}".rpartition("/images/")
        label = f"{before}/labels/{after}" if images else after
        return base + stem(label).removeprefix("/") + ".txt"


def _images_of(part: YoloPart) -> list[str]:
    """The names of a part's images in its folder."""
    if part.listed is None:
        return [name for name in list_files(part.images) if is_image_name(name)]
    text = read_annotations(part.listed, limit=MAX_LIST_BYTES).decode("utf-8", "backslashreplace")
    beside = os.path.dirname(part.listed)
    starts = (f"{part.images}/", f"{os.path.realpath(part.images)}/")  # the set may be reached by a symbolic link
    return [_name_in(starts, line.strip(), beside) for line in text.splitlines() if line.strip()]


def _name_in(starts: tuple[str, ...], name: str, beside: str) -> str:
    """A line of a list as a name relative to the folder, whose paths are the starts. `./` is the list's own folder."""
    if name.startswith("./"):
        name = f"{beside}/{name[2:]}"
    return name.removeprefix(next(filter(name.startswith, starts), ""))


def _is_unusable(reference: str) -> bool:
    """Whether there is a reason against the image already, so that its label file does not matter."""
    return is_fault(reference) or leads_out(split_reference(reference)[1])
