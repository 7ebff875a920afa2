"""A source of image files with annotations, in whatever format these are: what all such formats share."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from beam_jobs.sources.class_names import check_class_names
from beam_jobs.sources.image_files import (
    MISSING,
    check_that_images_are_there,
    digest_file,
    find_image,
    is_fault,
    is_local,
    measure_files,
    parse_reference,
    read_image,
    read_shape,
    tidy_id,
)
from beam_jobs.sources.source import BadImage, Check, Item, Source
from beam_jobs.sources.splits import choose_test_fraction, move_to_test
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.config.records_config import SPLITS
from pipeline.errors import UserError, format_count, make_printable
from pipeline.records.keys import hash63

_SAMPLE = 1000  # images whose sizes are compared with the declared ones


class Annotated(NamedTuple):
    """What the annotations of a set say."""

    items: list[Item]  # the source id is the image's name; ids of several images may be equal
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...] | None
    digest: str  # of the annotations' bytes


class Annotations(Protocol):
    """Annotations in one format. They are pickled on their way to the workers, so they hold paths only."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The image folders, which references name by their number."""

    def read(self) -> Annotated:
        """Reads all annotations. Raises `UserError` if it cannot; a fault in an image or box goes into its item."""


@dataclass(frozen=True)
class ImageSet(Source):
    """Images of one or several folders, and what is on them."""

    name: str
    annotations: Annotations
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...] | None = None
    has_val: bool = False
    has_test: bool = False
    test_fraction: float = 0.0  # of train, chosen by hash of the source id; 0 if the set has a test split of its own

    @staticmethod
    def prepare(name: str, annotations: Annotations, test_fraction: float | None) -> ImageSet:
        """Reads the annotations once and checks what can be checked without opening an image.

        Args:
            name: of the source in configurations.
            annotations: of one format.
            test_fraction: None for the default. It must be None if the set has a test split of its own.

        Raises:
            UserError: unreadable annotations, no images, no classes, or none of the images is there.
        """
        with _pause_collection():
            annotated = annotations.read()
        splits = {item.split for item in annotated.items}
        if not annotated.items:
            raise UserError(f"source {name} has no images: there are none in {', '.join(annotations.folders)}")
        check_class_names(name, annotated.class_names, annotated.items)
        check_that_images_are_there(annotated.items, annotations.folders)
        source = ImageSet(
            name=name,
            annotations=annotations,
            class_names=annotated.class_names,
            category_ids=annotated.category_ids,
            has_val="val" in splits,
            has_test="test" in splits,
            test_fraction=choose_test_fraction("test" in splits, test_fraction),
        )
        source._keep(annotated)
        return source

    def items(self) -> list[Item]:
        """All items, in the order of the annotations: train, val, test."""
        return list(self._annotated().items)

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """SHA-256 of annotations, classes, and each image's split, id, name and size; with "content" also bytes."""
        annotated = self._annotated()
        digest = hashlib.sha256(annotated.digest.encode())
        digest.update(repr((self.class_names, self.category_ids, self.test_fraction)).encode())
        sizes = self._measure(annotated.items)
        for item in annotated.items:
            size = sizes.get(item.reference, MISSING)
            digest.update(f"{item.split}\0{item.source_id}\0{item.reference}\0{size}\n".encode())
            if check == "content" and size != MISSING:
                with contextlib.suppress(BadImage):
                    digest.update(digest_file(find_image(item.reference, self.annotations.folders)))
        return digest.hexdigest()

    def shape(self, reference: str) -> Shape:
        """Height and width of an image, pixels, upright. Raises `BadImage`."""
        return read_shape(find_image(reference, self.annotations.folders))

    def read(self, reference: str) -> RgbImage:
        """An image, [h, w, 3] uint8 RGB, upright. Raises `BadImage`."""
        return read_image(find_image(reference, self.annotations.folders))

    def notes(self) -> list[str]:
        """Lines about images in several splits, and about images of another size than the annotations say."""
        return [*self._note_overlap(), *self._note_sizes()]

    def _note_overlap(self) -> list[str]:
        splits: dict[tuple[str, str], set[str]] = {}  # by folder and name
        for item in self._annotated().items:
            if not is_fault(item.reference):
                number, name = parse_reference(item.reference)
                splits.setdefault((self.annotations.folders[number], name), set()).add(item.split)
        several = {name: found for (_, name), found in splits.items() if len(found) > 1}
        if not several:
            return []
        name, found = next(iter(several.items()))
        where = " and ".join(split for split in SPLITS if split in found)
        return [
            make_printable(
                f"note: {format_count(len(several), 'image')} in several splits, such as {name} in {where}: "
                "figures on images that were trained on say little"
            )
        ]

    def _note_sizes(self) -> list[str]:
        """Compares a sample of the images, chosen by hash: some were resized or rotated after they were annotated.

        Boxes are taken as pixels of the file's upright image in any case: declared sizes are often wrong themselves.
        """
        declared = (item for item in self._annotated().items if item.declared is not None)
        differing: list[tuple[str, Shape, Shape]] = []
        sample = heapq.nsmallest(_SAMPLE, declared, key=lambda item: hash63(f"sizes/{item.source_id}"))
        for item in sample:
            with contextlib.suppress(BadImage):  # the job itself counts it and says why
                shape = self.shape(item.reference)
                if item.declared is not None and shape != item.declared:
                    differing.append((item.source_id, shape, item.declared))
        if not differing:
            return []
        name, (height, width), (said_height, said_width) = differing[0]
        return [
            make_printable(
                f"note: {len(differing):,} of {format_count(len(sample), 'image')} looked at have another size than "
                f"the annotations say, such as {name}: {width} x {height} pixels (upright), not {said_width} x "
                f"{said_height}. Boxes are taken as pixels of the upright image: look at some with `make show`"
            )
        ]

    def _annotated(self) -> Annotated:
        if "_kept" not in self.__dict__:  # unpickled in a worker
            with _pause_collection():
                self._keep(self.annotations.read())
        kept: Annotated = self.__dict__["_kept"]
        return kept

    def _keep(self, annotated: Annotated) -> None:
        """Keeps what was read: a set's list is asked for several times."""
        items = make_ids_unique(annotated.items, self.annotations.folders)
        items = [move_to_test(item, self.test_fraction) for item in items]
        self.__dict__["_kept"] = annotated._replace(items=items)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _measure(self, items: list[Item]) -> dict[str, int]:
        """The sizes of the items' images in bytes, by reference."""
        by_folder: dict[int, list[str]] = {}
        for reference in dict.fromkeys(item.reference for item in items if not is_fault(item.reference)):
            folder, name = parse_reference(reference)
            by_folder.setdefault(folder, []).append(name)
        return {
            f"{folder}:{name}": size
            for folder, names in by_folder.items()
            for name, size in zip(names, measure_files(self.annotations.folders[folder], names), strict=True)
        }


def parse_declared_size(height: object, width: object) -> Shape | None:
    """A declared size as the shape of an image, or None if it is not one: tools that do not know it write 0."""
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    return None


def make_ids_unique(items: list[Item], folders: tuple[str, ...]) -> list[Item]:
    """Prefixes ids that several images share with the split, and with the folder too if needed.

    Ids that are still equal belong to one and the same image, listed twice: the job rejects the second.
    """
    tidy = [item._replace(source_id=tidy_id(item.source_id)) for item in items]
    by_split = _tell_apart(tidy, lambda item: item.split)
    names = _shorten(folders)

    def name_folder(item: Item) -> str:
        return "fault" if is_fault(item.reference) else names[parse_reference(item.reference)[0]]

    return _tell_apart(by_split, name_folder)


def _shorten(folders: tuple[str, ...]) -> list[str]:
    """The folders as seen from the one that holds them all, so that ids do not depend on where a set lies."""
    if not all(map(is_local, folders)):
        return list(folders)
    common = os.path.commonpath(folders)
    return [os.path.relpath(folder, common) for folder in folders]


def _tell_apart(items: list[Item], prefix: Callable[[Item], str]) -> list[Item]:
    prefixes: dict[str, set[str]] = {}
    for item in items:
        prefixes.setdefault(item.source_id, set()).add(prefix(item))
    shared = [name for name, found in prefixes.items() if len(found) > 1]
    told_apart = set(shared)
    while shared:  # a new name may be another image's: that one gets a prefix too
        new = [f"{before}/{name}" for name in shared for before in prefixes[name]]
        shared = [name for name in new if name in prefixes and name not in told_apart]
        told_apart.update(shared)
    return [
        item._replace(source_id=f"{prefix(item)}/{item.source_id}") if item.source_id in told_apart else item
        for item in items
    ]


@contextlib.contextmanager
def _pause_collection() -> Iterator[None]:
    """Pauses the garbage collector, which would scan millions of new tuples, all in use, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
