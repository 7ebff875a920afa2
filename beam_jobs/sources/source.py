"""What a source of images must provide: a list of items (metadata only) and a way to read an item's image."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape

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
    image_id: str | None = None  # the source's id of the image, as `image_id_text` writes it
    declared: Shape | None = None  # height and width of the image as the annotations have them; unchecked


class BadImage(ValueError):
    """An image that cannot be used. The message is the reason that goes to rejected.jsonl."""


class Source(Protocol):
    """A set of images. It is pickled for the workers, so it holds paths, and loads data where it is used."""

    @property
    def name(self) -> str:
        """Its name in configurations."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; labels are indices into them."""

    @property
    def category_ids(self) -> tuple[int, ...] | None:
        """The source's own numbers of the classes, aligned with `class_names`; None if it has none."""

    @property
    def has_val(self) -> bool:
        """Whether the source has a val split of its own, so that none is to be taken from train."""

    @property
    def has_test(self) -> bool:
        """Whether the source has a test split of its own."""

    @property
    def test_fraction(self) -> float:
        """The share of train that `items` gives as the test split, by hash; 0 if the source has a test split."""

    def fingerprint(self, *, check: Check = "sizes") -> str:
        """A digest of the source's data.

        Args:
            check: "sizes" may look at no more of an image file than its name and size; "content" reads every byte.
        """

    def items(self) -> list[Item]:
        """All items, in the source's own order. Images that cannot be used are items too: reading them says why."""

    def shape(self, reference: str) -> Shape:
        """Height and width of an item's upright image in pixels, from its header if possible. Raises `BadImage`."""

    def read(self, reference: str) -> RgbImage:
        """An item's upright image, [h, w, 3] uint8 RGB. Raises `BadImage`."""
