"""What a source of images provides: a list of items (metadata only), and a way to read an item's image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape
from pipeline.errors import format_count, make_printable

SHOWN_CLASSES = 12

Check = Literal["sizes", "content"]


class SourceBox(NamedTuple):
    """A box as the source gives it, not yet checked: y before x, from the top left corner of the upright image."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float
    class_name: str
    crowd: bool = False  # a region of many objects, COCO's `iscrowd`
    difficult: bool = False  # VOC's word for an object that detectors need not find
    area: float | None = None  # of the object in pixels, COCO's `area`; None: the box's own
    relative: bool = False  # whether the sides are shares of the image's height and width, not pixels
    fault: str | None = None  # what is wrong with the annotation, if its sides do not show it


class Item(NamedTuple):
    """One image of a source, by reference: no pixels."""

    split: str  # in the source: "train", "val" or "test"
    source_id: str  # unique in the source
    reference: str  # tells `read` where the image is
    label: int | None = None  # of an image that is itself the object and is placed on a canvas
    boxes: tuple[SourceBox, ...] | None = None  # of an image that shows objects and is letterboxed
    image_id: str | None = None  # the source's id of the image, as `format_image_id` writes it
    declared: Shape | None = None  # height and width of the image as the annotations have them; unchecked


class Piece(NamedTuple):
    """A part of a list: whole lines of a file."""

    part: int  # number of the file in the source
    start: int  # bytes
    end: int
    first_line: int  # number of its first line in the file, counted from 1


class BadImage(ValueError):
    """An image that cannot be used. The message is the reason that goes to rejected.jsonl."""


class Source(Protocol):
    """A set of images. A source inherits from this class, and has its defaults where it says nothing else.

    It is pickled for the workers, so it holds paths, and loads data where it is used.
    """

    name: str  # in configurations
    class_names: tuple[str, ...]  # labels are indices into them
    category_ids: tuple[int, ...] | None = None  # the source's own numbers of the classes, aligned with `class_names`
    has_val: bool = False  # whether it has a val split of its own, so that none is to be taken from train
    has_test: bool = False  # whether it has a test split of its own
    test_fraction: float = 0.0  # the share of train that `items` gives as the test split, by hash

    @abstractmethod
    def fingerprint(self, *, check: Check = "sizes") -> str:
        """A digest of the source's data.

        Args:
            check: "sizes" may look at no more of an image file than its name and size; "content" reads every byte.
        """

    @abstractmethod
    def items(self) -> Iterable[Item]:
        """All items, in the source's own order. Images that cannot be used are items too: reading them says why."""

    @abstractmethod
    def shape(self, reference: str) -> Shape:
        """Height and width of an item's upright image in pixels, from its header if possible. Raises `BadImage`."""

    @abstractmethod
    def read(self, reference: str) -> RgbImage:
        """An item's upright image, [h, w, 3] uint8 RGB. Raises `BadImage`."""

    def pieces(self) -> tuple[Piece | None, ...]:
        """The pieces of the list, in order, that workers can read at the same time; None is the whole list."""
        return (None,)

    def items_of(self, piece: Piece | None) -> Iterable[Item]:
        """The items of one of the `pieces`."""
        return self.items()

    def notes(self) -> list[str]:
        """What looks wrong in the data although it can be used, in lines for the terminal."""
        return []


def describe_source(source: Source, *, val_fraction: float) -> list[str]:
    """What a source's annotations were taken for, in lines for the terminal: classes, splits, and its notes.

    Args:
        source: ready to be read.
        val_fraction: the share of train that becomes val if the source has no val split.
    """
    names = source.class_names
    more = f", … and {len(names) - SHOWN_CLASSES} more" if len(names) > SHOWN_CLASSES else ""
    val = "the source's own" if source.has_val else f"{val_fraction:.1%} of train, by hash"
    test = f"{source.test_fraction:.1%} of train, by hash" if source.test_fraction else "empty"
    if source.has_test:
        test = "the source's own"
    return [
        make_printable(f"{format_count(len(names), 'class')}: {', '.join(names[:SHOWN_CLASSES])}{more}"),
        f"val is {val}; test is {test}",
        *source.notes(),
    ]
