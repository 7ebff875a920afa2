"""Where the user's data lie: what the flags of the command say."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import NamedTuple

from beam_jobs.sources.image_files import is_local
from pipeline.errors import UserError


class Part(NamedTuple):
    """The annotations and the images of one split."""

    split: str
    annotations: str  # a file or a folder
    images: str  # a folder


@dataclass(frozen=True)
class DataPaths:
    """What the user gave, flag by flag; None for a flag that was left out."""

    data_dir: str | None = None
    annotations: str | None = None
    images: str | None = None
    val_annotations: str | None = None
    val_images: str | None = None
    test_annotations: str | None = None
    test_images: str | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        if self.test_fraction is not None and not 0 <= self.test_fraction < 1:
            raise UserError(f"--test_fraction must be in [0, 1), got {self.test_fraction}")

    def allow(self, source: str, *flags: str) -> None:
        """Raises `UserError` for a flag that is set although the source has no use for it."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name not in flags:
                takes = f"it takes {', '.join(f'--{flag}' for flag in flags)}" if flags else "its data come with it"
                raise UserError(f"--{field.name} must be left out for source {source}: {takes}")

    def folder(self, source: str) -> str:
        """The data folder. Raises `UserError` if it is missing."""
        if self.data_dir is None:
            raise UserError(f"--data_dir must be given for source {source}")
        if is_local(self.data_dir) and not os.path.isdir(self.data_dir):
            raise UserError(f"--data_dir must be a folder, got {self.data_dir!r}")
        return make_absolute(self.data_dir)

    def parts(self, source: str) -> list[Part]:
        """The splits that the user named, train first.

        One image folder serves all splits that have none of their own. If none is given, images are next to their
        annotations.

        Raises `UserError` if flags are missing or do not go together.
        """
        if self.annotations is None:
            raise UserError(f"--annotations must be given for source {source}")
        parts = [_make_part("train", self.annotations, self.images)]
        for split, labels, images in (
            ("val", self.val_annotations, self.val_images),
            ("test", self.test_annotations, self.test_images),
        ):
            if labels is not None:
                parts.append(_make_part(split, labels, images or self.images))
            elif images is not None:
                raise UserError(f"--{split}_images needs --{split}_annotations, which is not given")
        return parts


def make_absolute(path: str) -> str:
    """A path that does not depend on the current folder, because workers may have another one."""
    return os.path.abspath(path) if is_local(path) else path.rstrip("/")


def _make_part(split: str, annotations: str, images: str | None) -> Part:
    file = make_absolute(annotations)
    beside = file if is_local(file) and os.path.isdir(file) else os.path.dirname(file)
    if images is not None and is_local(images) and not os.path.isdir(images):
        raise UserError(f"there is no folder {images!r} for the images of {split}")
    return Part(split, file, make_absolute(images) if images is not None else beside)
