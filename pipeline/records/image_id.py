"""Ids of images as text, and back: the evaluation writes an id with the type that the source gave it."""

from __future__ import annotations

import contextlib
import json
import re

from pipeline.errors import show_value

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,999}")


class BrokenImageId(ValueError):
    """A text that is not the text of any id."""


def format_image_id(image_id: int | str) -> str:
    """An id as text: a number in decimals; a string as it is, or in JSON's quotes if it would read as a number."""
    if isinstance(image_id, int):
        return str(image_id)
    return json.dumps(image_id) if not image_id or _NUMBER.fullmatch(image_id) or image_id[0] == '"' else image_id


def parse_image_id(text: str) -> int | str:
    """The inverse of `format_image_id`. Raises `BrokenImageId` for a text that it does not give."""
    if _NUMBER.fullmatch(text):
        return int(text)
    image_id: str | None = None
    with contextlib.suppress(ValueError):
        image_id = str(json.loads(text)) if text.startswith('"') else text
    if image_id is None or format_image_id(image_id) != text:
        raise BrokenImageId(f"must be a number, or a string as the job writes it, got {show_value(text)}")
    return image_id
