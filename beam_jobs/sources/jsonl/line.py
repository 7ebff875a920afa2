"""One line of a JSON lines list: an image and its boxes."""

from __future__ import annotations

from typing import Any

import msgspec

from beam_jobs.sources.annotation_files import decode_tolerantly
from beam_jobs.sources.boxes import make_box
from beam_jobs.sources.class_names import is_class_name, tidy_class_name
from beam_jobs.sources.image_files import refer_to_fault, refer_to_image, tidy_id
from beam_jobs.sources.source import Item, SourceBox
from beam_jobs.sources.splits import SPLIT_WORDS, parse_split
from pipeline.errors import show_value
from pipeline.records.keys import format_image_id


class _Line(msgspec.Struct):
    image: Any = None
    boxes: Any = None
    split: Any = None
    id: Any = None


_decoder = msgspec.json.Decoder(_Line)


def parse_line(line: bytes, where: str, *, split: str, folder: int) -> Item:
    """The item of a line. It depends on the line alone, so lines can be parsed anywhere and in any order.

    A line is an object like

        {"image": "a.jpg", "boxes": [{"bbox": [x, y, width, height], "class": "cat"}]}

    where `bbox` is as in COCO, in pixels of the upright image. A box may have COCO's `iscrowd` and `area`, and VOC's
    `difficult`. A line may have a `split` ("train", "val" or "test"), and an `id`, which must be given if the list
    has an image several times. Other fields are not read.

    Args:
        line: its bytes, in UTF-8, with or without the line feed.
        where: the list's name and the line's number or place in it, for messages.
        split: the split of a line that does not name one.
        folder: the number of the image folder in the source's list.

    Returns:
        The item. An unusable line gives an item without an image: reading it raises `BadImage` with the reason.
    """
    found = _decode(line)
    if isinstance(found, str):
        return Item(split, tidy_id(where), refer_to_fault(f"{where} {found}"), boxes=())
    source_id = tidy_id(found.image if found.id is None else str(found.id))
    boxes = tuple([_read_box(box) for box in found.boxes])
    image_id = None if found.id is None else format_image_id(found.id)
    reference = refer_to_image(folder, found.image)
    return Item(_choose_split(found, split), source_id, reference, boxes=boxes, image_id=image_id)


def scan_line(line: bytes, *, split: str) -> tuple[str, set[str]]:
    """The split of a line's item and the names of its boxes' classes, found faster than by `parse_line`."""
    found = _decode(line)
    if isinstance(found, str):
        return split, set()
    names = {name for box in found.boxes if type(box) is dict and type(name := box.get("class")) is str}
    return _choose_split(found, split), {tidy for name in names if is_class_name(tidy := tidy_class_name(name))}


def _decode(line: bytes) -> _Line | str:
    """A line whose parts have the right types, or what is wrong with it."""
    try:
        found = decode_tolerantly(_decoder, line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"is not a JSON object: {error}"
    if found.split is not None and (type(found.split) is not str or parse_split(found.split) is None):
        return f"must have `split` train, val or test, got {show_value(found.split)}"
    if type(found.image) is not str or not found.image:
        return f"must have the name of an image as `image`, got {show_value(found.image)}"
    if type(found.boxes) is not list:
        return f"must have a list as `boxes`, got {show_value(found.boxes)}"
    if found.id is not None and (type(found.id) not in (int, str) or found.id == ""):
        return f"must have an integer or a string as `id`, got {show_value(found.id)}"
    return found


def _choose_split(found: _Line, default: str) -> str:
    return default if found.split is None else SPLIT_WORDS[found.split.casefold()]


def _read_box(box: object) -> SourceBox:
    if not isinstance(box, dict):
        return make_box(None, class_name="", fault=f"must be an object, got {show_value(box)}")
    name = box.get("class")
    class_name = tidy_class_name(name) if isinstance(name, str) else ""
    return make_box(
        box.get("bbox"),
        class_name=class_name,
        fault=None if is_class_name(class_name) else f"must have a printable name as `class`, got {show_value(name)}",
        crowd=box.get("iscrowd"),
        difficult=box.get("difficult"),
        area=box.get("area"),
    )
