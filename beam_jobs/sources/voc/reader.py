"""Sets annotated in Pascal VOC's XML, one file an image (Everingham et al., 2010), in their several layouts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beam_jobs.sources.annotation_files import read_annotations, read_lines
from beam_jobs.sources.class_names import is_class_name
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.image_files import list_files, refer_to_fault, refer_to_image, strip_extension
from beam_jobs.sources.image_set import Annotated, ImageSet
from beam_jobs.sources.source import Item
from beam_jobs.sources.voc.folders import VocPart, find_parts
from beam_jobs.sources.voc.xml_file import VocImage, is_xml_name, parse_voc
from pipeline.records.image_file import is_image_name

MAX_XML_BYTES = 1 << 24


@dataclass(frozen=True)
class Voc:
    """Folders of XML files and of images.

    An XML file belongs to the image of its own name; if there is none, to the one that its `<filename>` names, with
    or without extension, unless that has an XML file of its own name. Images without XML, and XML files without an
    image, are items that cannot be read, unless a list of names leaves them out.
    """

    parts: tuple[VocPart, ...]

    @staticmethod
    def prepare(paths: DataPaths) -> ImageSet:
        """The source of these folders. Raises `UserError`."""
        return ImageSet.prepare("voc", Voc(find_parts(paths)), paths.test_fraction)

    @property
    def folders(self) -> tuple[str, ...]:
        """One for each part."""
        return tuple(part.images for part in self.parts)

    def read(self) -> Annotated:
        """Reads every XML file. Raises `UserError` if a folder or a list is missing."""
        digest = hashlib.sha256()
        items: list[Item] = []
        pairs: dict[tuple[str, str], _Pair] = {}  # the published layout has one pair of folders for all splits
        for number, part in enumerate(self.parts):
            folders = (part.annotations, part.images)
            if folders not in pairs:
                pairs[folders] = _Pair(*folders)
            names = None if part.listed is None else read_lines(part.listed)
            items.extend(pairs[folders].list_items(part.split, number, names, digest))
        classes = {box.class_name for item in items for box in item.boxes or () if is_class_name(box.class_name)}
        return Annotated(items, tuple(sorted(classes)), None, digest.hexdigest())


class _Pair:
    """A folder of XML files and a folder of images, which may be one and the same, with their subfolders."""

    def __init__(self, annotations: str, images: str) -> None:
        """Lists the folders. Raises `UserError` if one is missing."""
        self._annotations = annotations
        self._xml: dict[str, list[str]] = {}
        for name in reversed(list_files(annotations)):  # of a.xml and a.XML, a.xml is first, and is the one taken
            if is_xml_name(name):
                self._xml.setdefault(strip_extension(name), []).append(name)
        self._images: dict[str, list[str]] = {}
        for name in list_files(images):
            if is_image_name(name):
                self._images.setdefault(strip_extension(name), []).append(name)

    def list_items(self, split: str, folder: int, names: list[str] | None, digest: Any) -> Iterator[Item]:
        """The items of a split.

        Args:
            split: of the items.
            folder: the number of the image folder in references.
            names: of XML files or images, with or without extension; None: all, and every image without XML too.
            digest: a hashlib object, updated with the name and the bytes of each XML file.
        """
        taken = set()
        for name in sorted(self._xml) if names is None else names:
            has_ending = is_image_name(name) or is_xml_name(name)
            known = strip_extension(name) if name not in self._xml and has_ending else name
            if known not in self._xml:
                yield self._reject_without_xml(split, known)
                continue
            item, image = self._read_item(split, folder, known, digest)
            taken.add(image)
            yield item
            first, *others = self._xml[known]
            for other in others:
                reason = f"{other} is left out: {first} annotates the same image"
                yield Item(split, other, refer_to_fault(reason), boxes=())
        if names is None:
            left = (image for same in self._images.values() for image in same if image not in taken)
            for image in sorted(left):
                yield self._reject_without_xml(split, strip_extension(image), image)

    def _read_item(self, split: str, folder: int, name: str, digest: Any) -> tuple[Item, str]:
        """The item of an XML file, and its image."""
        xml = self._xml[name][0]
        data = self._read_xml(xml)
        digest.update(f"{split}\0{xml}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
        parsed, fault = _parse(data)
        image = self._find_image(name, parsed.file_name)
        if strip_extension(image) != name and (owner := self._find_owner(image)):
            fault = f"names {image}, which {owner}.xml already annotates"
            image = ""
        if fault is None and not (image or parsed.file_name):
            fault = "has no image: none has its name, and it names none"
        if fault is not None:
            return Item(split, image or xml, refer_to_fault(f"{xml} {fault}"), boxes=()), image
        named = image or parsed.file_name
        reference = refer_to_image(folder, named)
        return Item(split, named, reference, boxes=parsed.boxes, declared=parsed.declared), image

    def _read_xml(self, xml: str) -> bytes:
        return read_annotations(f"{self._annotations}/{xml}", limit=MAX_XML_BYTES)

    def _find_owner(self, image: str) -> str:
        """The XML file of the image's own name, without extension, if it takes this image; else ""."""
        name = strip_extension(image)
        if name not in self._xml:
            return ""
        if len(self._images[name]) > 1:  # a.jpg and a.png: a.xml takes one of them, and the other is still free
            file_name = _parse(self._read_xml(self._xml[name][0]))[0].file_name
            return name if self._find_image(name, file_name) == image else ""
        return name

    def _reject_without_xml(self, split: str, name: str, image: str = "") -> Item:
        named = image or next(iter(self._images.get(name, [])), name)
        return Item(split, named, refer_to_fault(f"there is no annotation {name}.xml"), boxes=())

    def _find_image(self, xml: str, file_name: str) -> str:
        """The image with the XML file's own name, else the one that the XML file names, else ""."""
        same = self._images.get(xml, [])
        if same:
            return file_name if file_name in same else same[0]
        for named in (os.path.join(os.path.dirname(xml), file_name), file_name):
            if named in self._images.get(strip_extension(named), []):
                return named
            found = self._images.get(named) or self._images.get(strip_extension(named))
            if found:
                return found[0]
        return ""


def _parse(data: bytes) -> tuple[VocImage, str | None]:
    """What an XML file says, and what is wrong with it."""
    try:
        return parse_voc(data), None
    except ValueError as error:
        return VocImage("", ()), str(error)
