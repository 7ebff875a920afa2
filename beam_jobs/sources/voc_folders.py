"""A folder of Pascal VOC's XML files and a folder of images: which image belongs to which annotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from beam_jobs.sources.annotation_file import read_annotations
from beam_jobs.sources.image_reference import fault_reference, image_reference
from beam_jobs.sources.listing import list_files, stem
from beam_jobs.sources.source import Item
from beam_jobs.sources.voc_xml import VocImage, is_xml_name, parse_voc
from pipeline.records.image_file import is_image_name

MAX_XML_BYTES = 1 << 24


class VocFolders:
    """The two folders, which may be one and the same, with their subfolders."""

    def __init__(self, annotations: str, images: str) -> None:
        """Lists the folders. Raises `UserError` if one is missing."""
        self._annotations = annotations
        self._xml: dict[str, list[str]] = {}
        for name in reversed(list_files(annotations)):  # of a.xml and a.XML, a.xml is first, and is the one taken
            if is_xml_name(name):
                self._xml.setdefault(stem(name), []).append(name)
        self._images: dict[str, list[str]] = {}
        for name in list_files(images):
            if is_image_name(name):
                self._images.setdefault(stem(name), []).append(name)

    def items(self, split: str, folder: int, names: list[str] | None, digest: Any) -> Iterator[Item]:
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
            known = stem(name) if name not in self._xml and has_ending else name
            if known not in self._xml:
                yield self._without_xml(split, known)
                continue
            item, image = self._annotated(split, folder, known, digest)
            taken.add(image)
            yield item
            first, *others = self._xml[known]
            for other in others:
                reason = f"{other} must be the only annotation of its name, got {first} too"
                yield Item(split, other, fault_reference(reason), boxes=())
        if names is None:
            left = (image for same in self._images.values() for image in same if image not in taken)
            for image in sorted(left):
                yield self._without_xml(split, stem(image), image)

    def _annotated(self, split: str, folder: int, name: str, digest: Any) -> tuple[Item, str]:
        """The item of an XML file, and its image."""
        xml = self._xml[name][0]
        data = self._bytes_of(xml)
        digest.update(f"{split}\0{xml}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
        parsed, fault = _parsed(data)
        image = self._image_of(name, parsed.file_name)
        if stem(image) != name and (owner := self._owner_of(image)):
            fault = f"must have an image of its own, got only {image}, which it names and which has {owner}.xml"
            image = ""
        if fault is None and not (image or parsed.file_name):
            fault = "must have an image of its name, got none"
        if fault is not None:
            return Item(split, image or xml, fault_reference(f"{xml} {fault}"), boxes=()), image
        named = image or parsed.file_name
        reference = image_reference(folder, named)
        return Item(split, named, reference, boxes=parsed.boxes, declared=parsed.declared), image

    def _bytes_of(self, xml: str) -> bytes:
        return read_annotations(f"{self._annotations}/{xml}", limit=MAX_XML_BYTES)

    def _owner_of(self, image: str) -> str:
        """The XML file of the image's own name, without extension, if it takes this image; else ""."""
        name = stem(image)
        if name not in self._xml:
            return ""
        if len(self._images[name]) > 1:  # a.jpg and a.png: a.xml takes one of them, and the other is still free
            file_name = _parsed(self._bytes_of(self._xml[name][0]))[0].file_name
            return name if self._image_of(name, file_name) == image else ""
        return name

    def _without_xml(self, split: str, name: str, image: str = "") -> Item:
        named = image or next(iter(self._images.get(name, [])), name)
        return Item(split, named, fault_reference(f"must have an annotation {name}.xml, got none"), boxes=())

    def _image_of(self, xml: str, file_name: str) -> str:
        """The image with the XML file's own name, else the one that the XML file names, else ""."""
        same = self._images.get(xml, [])
        if same:
            return file_name if file_name in same else same[0]
        for named in (os.path.join(os.path.dirname(xml), file_name), file_name):
            if named in self._images.get(stem(named), []):
                return named
            found = self._images.get(named) or self._images.get(stem(named))
            if found:
                return found[0]
        return ""


def _parsed(data: bytes) -> tuple[VocImage, str | None]:
    """What an XML file says, and what is wrong with it."""
    try:
        return parse_voc(data), None
    except ValueError as error:
        return VocImage("", ()), str(error)
