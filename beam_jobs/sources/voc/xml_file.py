"""One Pascal VOC annotation: the XML text of an image (VOC 2007 development kit, section 9)."""

from __future__ import annotations

import math
from typing import NamedTuple
from xml.etree import ElementTree

from beam_jobs.sources.class_names import is_class_name, tidy_class_name
from beam_jobs.sources.image_set import parse_declared_size
from beam_jobs.sources.source import SourceBox
from pipeline.compositions.view import Shape
from pipeline.errors import show_value

_SIDES = ("ymin", "xmin", "ymax", "xmax")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class VocImage(NamedTuple):
    """What an annotation says of its image."""

    file_name: str  # "" if it names none
    boxes: tuple[SourceBox, ...]
    declared: Shape | None = None  # `<size>`, which is only compared: it is often wrong


def is_xml_name(name: str) -> bool:
    """Whether a file is named as an annotation."""
    return name.lower().endswith(".xml")


def parse_voc(data: bytes) -> VocImage:
    """Parses the annotation of an image.

    VOC counts pixels from 1, and a box includes its last pixel, so its edges are `xmin - 1` and `xmax`; likewise in y.
    A box that begins and ends at the same pixel is a slip of the mouse, not an object: it gets a fault, and so do
    boxes whose sides are not numbers. Parts of objects are left out.

    Raises `ValueError` unless it is XML with the root element `annotation`.
    """
    root = _parse_xml(data)
    if root.tag != "annotation":
        raise ValueError(f"must have the root element `annotation`, got {show_value(root.tag)}")
    height, width = (_parse_whole_number(_find_text(root, f"size/{side}")) for side in ("height", "width"))
    boxes = tuple(_read_box(element) for element in root.findall("object"))
    return VocImage(_find_text(root, "filename"), boxes, parse_declared_size(height, width))


def _read_box(element: ElementTree.Element) -> SourceBox:
    name = tidy_class_name(_find_text(element, "name"))
    difficult = _find_text(element, "difficult").lower() in ("1", "true", "yes")
    frame = element.find("bndbox")
    texts = ["" if frame is None else _find_text(frame, side) for side in _SIDES]
    ymin, xmin, ymax, xmax = sides = [_parse_number(text) for text in texts]
    fault = None
    if not is_class_name(name):
        fault = f"must have a printable `name`, got {show_value(name)}"
    elif not math.isfinite(sum(sides)):
        fault = f"must have numbers as {', '.join(_SIDES)}, got {show_value(texts)}"
    elif ymax == ymin and xmax == xmin:
        fault = f"must have an area, got {', '.join(_SIDES)} {sides}"
    return SourceBox(ymin - 1, xmin - 1, ymax, xmax, name, difficult=difficult, fault=fault)


def _find_text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _parse_whole_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _parse_xml(data: bytes) -> ElementTree.Element:
    """The root element.

    Raises `ValueError` if the text is not well-formed, or declares entities, with which a short one fills the memory.
    """
    try:
        text = data.decode("utf-16") if data.startswith(_UTF16_MARKS) else data
        # Every other encoding that expat takes spells this in ASCII, and holds no zero byte.
        declares = "<!ENTITY" in text if isinstance(text, str) else b"<!ENTITY" in text or b"\0" in text
        if declares:
            raise ValueError("it declares entities, or is in an encoding that may hide them")
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"is not XML that can be used: {error}") from None
