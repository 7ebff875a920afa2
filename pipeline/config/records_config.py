"""Configuration of a record set: everything that decides its bytes, except for the source's own data."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipeline.compositions import AnyComposition
from pipeline.compositions.view import Shape
from pipeline.errors import UserError, require, require_between
from pipeline.geometry.anchors import AnchorConfig
from pipeline.geometry.matching import MatchingConfig
from pipeline.typed_json import Count, Name

IMAGE_FORMATS = ("raw", "png", "jpeg")
SPLITS = ("train", "val", "test")

MAX_COPIES = 1_000_000
MAX_VIEWS = 1_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class ShardCounts:
    """Shards of each split. Choose many more shards than workers: a shard is the unit of work and of retry."""

    train: int
    val: int
    test: int

    def __post_init__(self) -> None:
        for split in SPLITS:
            require_between(f"records.shards.{split}", self.of(split), 1, 99_999)

    def of(self, split: str) -> int:
        """The number of shards of a split."""
        return int(getattr(self, split))


@dataclass(frozen=True)
class RecordsConfig:
    """Everything that decides the bytes of a record set, except for the source's own data."""

    source: Name
    composition: AnyComposition  # how images become canvases
    anchors: AnchorConfig
    matching: MatchingConfig
    shards: ShardCounts
    views: int = 1  # of each training record; val and test have one
    copies: int = 1  # records of each training image, each with its own composition; val and test have one
    images: str = "once"  # a training record holds its image once, with all its views
    seed: int = 0
    val_fraction: float = 0.1  # of the source's training split, chosen by the hash of the source id
    image_format: str = "raw"
    jpeg_quality: int = 95  # for the format "jpeg"
    limit: Count | None = None  # images of each split of the source
    proposed_anchors: bool = False  # whether the anchors were proposed from the set's own boxes

    def __post_init__(self) -> None:
        require_between("records.views", self.views, 1, MAX_VIEWS)
        require_between("records.copies", self.copies, 1, MAX_COPIES)
        require(self.images == "once", "records.images", '"once"', self.images)
        require_between("records.seed", self.seed, -MAX_SEED, MAX_SEED)
        require(0 <= self.val_fraction < 1, "records.val_fraction", "in [0, 1)", self.val_fraction)
        known = self.image_format in IMAGE_FORMATS
        require(known, "records.image_format", f"one of {', '.join(IMAGE_FORMATS)}", self.image_format)
        require_between("records.jpeg_quality", self.jpeg_quality, 1, 100)
        require(self.limit is None or self.limit > 0, "limit", "at least 1", self.limit)

    @property
    def canvas(self) -> Shape:
        """Height and width of the canvases, pixels."""
        return self.composition.canvas

    def views_of(self, split: str) -> int:
        """Views of each record of a split."""
        return self.views if split == "train" else 1

    def copies_of(self, split: str) -> int:
        """Records of each image of a split."""
        return self.copies if split == "train" else 1

    def on_canvas(self, canvas: Shape) -> RecordsConfig:
        """The same records on canvases of another height and width, pixels."""
        return replace(self, composition=self.composition.on_canvas(canvas))


def parse_image_size(text: str) -> tuple[int, int]:
    """Height and width of the canvases, pixels, from `320` or `288x512`. Raises `UserError` for anything else."""
    sides = text.lower().split("x")
    if not (len(sides) in (1, 2) and all(re.fullmatch("[1-9][0-9]{0,9}", side) for side in sides)):
        raise UserError(f"--image_size must be a number of pixels, or height x width such as 288x512, got {text!r}")
    return int(sides[0]), int(sides[-1])
