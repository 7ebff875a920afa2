"""A source of image files with annotations, in whatever format these are."""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from beam_jobs.sources.class_names import check_class_names
from beam_jobs.sources.folder_digest import content_digest
from beam_jobs.sources.image_file import image_file_shape, read_image_file
from beam_jobs.sources.image_reference import image_path, is_fault, split_reference
from beam_jobs.sources.images_there import check_that_images_are_there
from beam_jobs.sources.listing import MISSING, sizes_of
from beam_jobs.sources.source import BadImage, Check, Item
from beam_jobs.sources.source_ids import with_unique_ids
from beam_jobs.sources.split_for_test import fraction_for_test, split_item
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import UserError


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
class ImageSet:
    """Images of one or several folders, and what is on them."""

    name: str
    annotations: Annotations
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...] | None
    has_val: bool
    has_test: bool
    test_fraction: float  # of train, chosen by hash of the source id; 0 if the set has a test split of its own

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
        with without_collection():
            annotated = annotations.read()
        splits = {item.split for item in annotated.items}
        if not annotated.items:
            raise UserError(f"source {name} must have images, got none in {', '.join(annotations.folders)}")
        check_class_names(name, annotated.class_names, annotated.items)
        check_that_images_are_there(annotated.items, annotations.folders)
        source = ImageSet(
            name=name,
            annotations=annotations,
            class_names=annotated.class_names,
            category_ids=annotated.category_ids,
            has_val="val" in splits,
            has_test="test" in splits,
            test_fraction=fraction_for_test("test" in splits, test_fraction),
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
        sizes = self._sizes(annotated.items)
        for item in annotated.items:
            size = sizes.get(item.reference, MISSING)
            digest.update(f"{item.split}\0{item.source_id}\0{item.reference}\0{size}\n".encode())
            if check == "content" and size != MISSING:
                with contextlib.suppress(BadImage):
                    digest.update(content_digest(image_path(item.reference, self.annotations.folders)))
        return digest.hexdigest()

    def shape(self, reference: str) -> Shape:
        """Height and width of an image, pixels, upright. Raises `BadImage`."""
        return image_file_shape(image_path(reference, self.annotations.folders))

    def read(self, reference: str) -> RgbImage:
        """An image, [h, w, 3] uint8 RGB, upright. Raises `BadImage`."""
        return read_image_file(image_path(reference, self.annotations.folders))

    def _annotated(self) -> Annotated:
        if "_kept" not in self.__dict__:  # unpickled in a worker
            with without_collection():
                self._keep(self.annotations.read())
        kept: Annotated = self.__dict__["_kept"]
        return kept

    def _keep(self, annotated: Annotated) -> None:
        """Keeps what was read: a set's list is asked for several times."""
        folders = self.annotations.folders
        items = [split_item(item, self.test_fraction) for item in with_unique_ids(annotated.items, folders)]
        self.__dict__["_kept"] = annotated._replace(items=items)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _sizes(self, items: list[Item]) -> dict[str, int]:
        """The sizes of the items' images, by reference."""
        by_folder: dict[int, list[str]] = {}
        for reference in dict.fromkeys(item.reference for item in items if not is_fault(item.reference)):
            folder, name = split_reference(reference)
            by_folder.setdefault(folder, []).append(name)
        return {
            f"{folder}:{name}": size
            for folder, names in by_folder.items()
            for name, size in zip(names, sizes_of(self.annotations.folders[folder], names), strict=True)
        }


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Pauses the garbage collector, which would scan millions of new tuples, all in use, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
