"""What a source of pictures must provide: a list of items (metadata only) and a way to read an item's picture."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pipeline.views.collage import Picture
from pipeline.views.placement import Shape


class SourceBox(NamedTuple):
    """A box as the source gives it, not yet checked: sides in pixels of the picture, y before x."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float
    class_name: str


class Item(NamedTuple):
    """One picture of a source, by reference: no pixels."""

    split: str  # in the source: "train" or "test"
    source_id: str  # unique in the source
    reference: str  # tells `read` where the picture is
    label: int | None = None  # of a picture that is itself the object and is placed on a canvas
    boxes: tuple[SourceBox, ...] | None = None  # of a picture that shows objects and is fitted to the canvas


class BadPicture(ValueError):
    """A picture that cannot be used. The message is the reason that goes to rejected.jsonl."""


class Source(Protocol):
    """A set of pictures. It is pickled to reach the workers, so it holds paths and loads data where it is used."""

    @property
    def name(self) -> str:
        """Its name in configurations."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; labels are indices into them."""

    def fingerprint(self) -> str:
        """A digest that changes with any byte of the source's data."""

    def items(self) -> list[Item]:
        """All items, in the source's own order."""

    def shape(self, reference: str) -> Shape:
        """Height and width of an item's picture, pixels; without decoding it where possible. Raises `BadPicture`."""

    def read(self, reference: str) -> Picture:
        """An item's picture, [h, w, 3] uint8 RGB. Raises `BadPicture`."""
