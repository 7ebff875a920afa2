"""Sets annotated in Pascal VOC's XML, one file an image (Everingham et al., 2010), in their several layouts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from beam_jobs.sources.annotation_file import MAX_LIST_BYTES, read_annotations
from beam_jobs.sources.class_names import is_class_name
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_set import Annotated, ImageSet
from beam_jobs.sources.source import Item
from beam_jobs.sources.voc_folders import VocFolders
from beam_jobs.sources.voc_layout import VocPart, voc_layout


@dataclass(frozen=True)
class Voc:
    """Folders of XML files and of images.

    An XML file belongs to the image of its own name; if there is none, to the one that its `<filename>` names, with
    or without extension, unless that has an XML file of its own name. Images without XML, and XML files without a
    image, are items that cannot be read, unless a list of names leaves them out.
    """

    parts: tuple[VocPart, ...]

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of these folders. Raises `UserError`."""
        if paths.data_dir is not None:
            paths.allow("voc with --data_dir", "data_dir", "test_fraction")
            parts = voc_layout(paths.folder("voc"))
        else:
            parts = tuple(VocPart(*part) for part in paths.parts("voc"))
        return ImageSet.prepare("voc", Voc(parts), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.parts)

    def read(self) -> Annotated:
        """Reads every XML file. Raises `UserError` if a folder or a list is missing."""
        digest = hashlib.sha256()
        items: list[Item] = []
        pairs: dict[tuple[str, str], VocFolders] = {}  # the published layout has one pair of folders for all splits
        for number, part in enumerate(self.parts):
            pair = (part.annotations, part.images)
            if pair not in pairs:
                pairs[pair] = VocFolders(*pair)
            names = None if part.listed is None else _names_in(part.listed)
            items.extend(pairs[pair].items(part.split, number, names, digest))
        classes = {box.class_name for item in items for box in item.boxes or () if is_class_name(box.class_name)}
        return Annotated(items, tuple(sorted(classes)), None, digest.hexdigest())


def _names_in(path: str) -> list[str]:
    """The names in a list, one a line."""
    text = read_annotations(path, limit=MAX_LIST_BYTES).decode("utf-8", "backslashreplace")
    return [line.strip() for line in text.splitlines() if line.strip()]
