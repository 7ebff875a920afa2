"""A folder of Pascal VOC's XML files and a folder of pictures: which picture belongs to which annotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from beam_jobs.sources.annotation_file import read_annotations
from beam_jobs.sources.listing import list_files, stem
from beam_jobs.sources.picture_reference import fault_reference, picture_reference
from beam_jobs.sources.source import Item
from beam_jobs.sources.voc_xml import VocPicture, is_xml_name, parse_voc
from pipeline.records.picture_file import is_picture_name

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
        self._pictures: dict[str, list[str]] = {}
        for name in list_files(images):
            if is_picture_name(name):
                self._pictures.setdefault(stem(name), []).append(name)

    def items(self, split: str, folder: int, names: list[str] | None, digest: Any) -> Iterator[Item]:
        """The items of a split.

        Args:
            split: of the items.
            folder: the number of the picture folder in references.
            names: of XML files or pictures, with or without extension; None: all, and every picture without XML too.
            digest: a hashlib object, updated with the name and the bytes of each XML file.
        """
        taken = set()
        for name in sorted(self._xml) if names is None else names:
            has_ending = is_picture_name(name) or is_xml_name(name)
            known = stem(name) if name not in self._xml and has_ending else name
            if known not in self._xml:
                yield self._without_xml(split, known)
                continue
            item, picture = self._annotated(split, folder, known, digest)
            taken.add(picture)
            yield item
            first, *others = self._xml[known]
            for other in others:
                reason = f"{other} must be the only annotation of its name, got {first} too"
                yield Item(split, other, fault_reference(reason), boxes=())
        if names is None:
            left = (picture for same in self._pictures.values() for picture in same if picture not in taken)
            for picture in sorted(left):
                yield self._without_xml(split, stem(picture), picture)

    def _annotated(self, split: str, folder: int, name: str, digest: Any) -> tuple[Item, str]:
        """The item of an XML file, and its picture."""
        xml = self._xml[name][0]
        data = self._bytes_of(xml)
        digest.update(f"{split}\0{xml}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
        parsed, fault = _parsed(data)
        picture = self._picture_of(name, parsed.file_name)
        if stem(picture) != name and (owner := self._owner_of(picture)):
            fault = f"must have a picture of its own, got only {picture}, which it names and which has {owner}.xml"
            picture = ""
        if fault is None and not (picture or parsed.file_name):
            fault = "must have a picture of its name, got none"
        if fault is not None:
            return Item(split, picture or xml, fault_reference(f"{xml} {fault}"), boxes=()), picture
        named = picture or parsed.file_name
        reference = picture_reference(folder, named)
        return Item(split, named, reference, boxes=parsed.boxes, declared=parsed.declared), picture

    def _bytes_of(self, xml: str) -> bytes:
        return read_annotations(f"{self._annotations}/{xml}", limit=MAX_XML_BYTES)

    def _owner_of(self, picture: str) -> str:
        """The XML file of the picture's own name, without extension, if it takes this picture; else ""."""
        name = stem(picture)
        if name not in self._xml:
            return ""
        if len(self._pictures[name]) > 1:  # a.jpg and a.png: a.xml takes one of them, and the other is still free
            file_name = _parsed(self._bytes_of(self._xml[name][0]))[0].file_name
            return name if self._picture_of(name, file_name) == picture else ""
        return name

    def _without_xml(self, split: str, name: str, picture: str = "") -> Item:
        named = picture or next(iter(self._pictures.get(name, [])), name)
        return Item(split, named, fault_reference(f"must have an annotation {name}.xml, got none"), boxes=())

    def _picture_of(self, xml: str, file_name: str) -> str:
        """The picture with the XML file's own name, else the one that the XML file names, else ""."""
        same = self._pictures.get(xml, [])
        if same:
            return file_name if file_name in same else same[0]
        for named in (os.path.join(os.path.dirname(xml), file_name), file_name):
            if named in self._pictures.get(stem(named), []):
                return named
            found = self._pictures.get(named) or self._pictures.get(stem(named))
            if found:
                return found[0]
        return ""


def _parsed(data: bytes) -> tuple[VocPicture, str | None]:
    """What an XML file says, and what is wrong with it."""
    try:
        return parse_voc(data), None
    except ValueError as error:
        return VocPicture("", ()), str(error)
