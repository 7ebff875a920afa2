"""What a source of pictures is: a list of items (metadata only), and a way to read one item's picture."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pipeline.views.collage import Picture
from pipeline.views.placement import Shape


class SourceBox(NamedTuple):
    """A box as the source gives it, checked by the job: pixels of the picture, y before x."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float
    class_name: str


class Item(NamedTuple):
    """A picture of a source, by reference: no pixels."""

    split: str  # of the source: "train" or "test"
    source_id: str  # unique in the source
    reference: str  # what `read` needs to find it
    label: int | None = None  # of a picture that is itself the object, and is placed on a canvas
    boxes: tuple[SourceBox, ...] | None = None  # of a picture that has objects, and is fitted to the canvas


class BadPicture(ValueError):
    """A picture that cannot be used; the message is the reason that rejected.jsonl gets."""


class Source(Protocol):
    """A source travels to the workers by pickling: it holds paths, and loads data where it is used."""

    @property
    def name(self) -> str:
        """What configurations call it."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; labels are indices into them."""

    def fingerprint(self) -> str:
        """Changes with any byte of the source's data."""

    def items(self) -> list[Item]:
        """All items, in the source's own order."""

    def shape(self, reference: str) -> Shape:
        """Height and width of an item's picture, pixels, without reading it where that is possible."""

    def read(self, reference: str) -> Picture:
        """The picture of an item, [h, w, 3] uint8 RGB. Raises `BadPicture`."""
