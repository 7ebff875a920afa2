"""The ids of the images of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError, shown


@dataclass(frozen=True)
class ImageRows:
    """What COCO JSON says of an image."""

    image: dict[str, Any]  # with `id` and `file_name`
    others: list[dict[str, Any]]  # its annotations and detections, each with `image_id`


class ImageIds:
    """Gives every image the source's own id of it, or else a number that is no other image's id.

    A JSON lines list may name the ids of only some images, so a number may turn out to be the id of a later one.
    """

    def __init__(self) -> None:
        self._names: dict[int | str, str] = {}  # of the images with ids of their own
        self._numbered: dict[int | str, ImageRows] = {}
        self._number = 0

    def give(self, rows: ImageRows, own: int | str | None) -> None:
        """Writes an image's id into its rows. Raises `UserError` if another image has the same id of its own."""
        self._number += 1  # of this image, counted from 1
        if own is None:
            self._give_number(rows)
            return
        name = rows.image["file_name"]
        if own in self._names:  # COCO's metrics would take both for one image
            raise UserError(
                f"image ids must differ within a split, got {shown(own)} for {self._names[own]} and for {name}; "
                "run `make verify`, or give every image an id of its own and make the records again"
            )
        self._names[own] = name
        _write(rows, own)
        if own in self._numbered:
            self._give_number(self._numbered.pop(own))

    def _give_number(self, rows: ImageRows) -> None:
        while self._number in self._names or self._number in self._numbered:
            self._number += 1
        self._numbered[self._number] = rows
        _write(rows, self._number)


def _write(rows: ImageRows, image_id: int | str) -> None:
    rows.image["id"] = image_id
    for row in rows.others:
        row["image_id"] = image_id
