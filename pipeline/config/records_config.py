"""Configuration of a record set: everything that decides its bytes, except for the source's own data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.field_types import Count, Name
from pipeline.errors import require, require_between

PICTURE_FORMATS = ("raw", "png", "jpeg")
SPLITS = ("train", "val", "test")

# Limits that no honest setting comes near. They keep a forged file from asking for memory or time without end.
MAX_MAPS = 32
MAX_CANVAS = 8_192  # pixels; a raw canvas must fit into a record
MAX_RATIO = 100.0
MAX_SCALE = 100.0
MAX_OBJECTS = 10_000
MAX_COPIES = 1_000_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class AnchorConfig:
    """The anchors of every feature map, finest map first. An aspect ratio is width over height.

    A box of scale s and aspect ratio a has width s·√a and height s/√a, relative to its cell or to the whole image
    (SSD, arXiv 1512.02325, section 2.2). If `scale_after_last` is set, the last box of each cell is an additional
    square one of scale √(s_k · s_{k+1}).
    """

    strides: tuple[int, ...]  # pixels from one cell to the next, for each map
    scales: tuple[float, ...]  # for each map
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each map, in the order of its boxes
    relative_to: str  # "cell" or "image"
    scale_after_last: float | None = None

    def __post_init__(self) -> None:
        maps = len(self.strides)
        require(1 <= maps <= MAX_MAPS, "anchors.strides", f"from 1 to {MAX_MAPS} numbers, one for each map", maps)
        for stride in self.strides:
            require_between("anchors.strides", stride, 1, MAX_CANVAS)
        require(len(self.scales) == maps, "anchors.scales", f"{maps} numbers, one for each map", len(self.scales))
        for scale in self.scales:
            require_between("anchors.scales", scale, 1 / MAX_CANVAS, MAX_SCALE)
        ratios = self.aspect_ratios
        require(len(ratios) == maps, "anchors.aspect_ratios", f"{maps} lists, one for each map", len(ratios))
        require(all(ratios), "anchors.aspect_ratios", "lists of at least one number", ratios)
        for ratio in (ratio for of_map in ratios for ratio in of_map):
            require_between("anchors.aspect_ratios", ratio, 1 / MAX_RATIO, MAX_RATIO)
        require(self.relative_to in ("cell", "image"), "anchors.relative_to", '"cell" or "image"', self.relative_to)
        if self.scale_after_last is not None:
            require_between("anchors.scale_after_last", self.scale_after_last, 1 / MAX_CANVAS, MAX_SCALE)


@dataclass(frozen=True)
class MatchingConfig:
    """The IoU thresholds of matching."""

    positive_iou: float  # from here on an anchor is an object
    ignore_iou: float | None  # from here on an unmatched anchor is not background either; None: no anchor is ignored

    def __post_init__(self) -> None:
        require(0 < self.positive_iou <= 1, "matching.positive_iou", "in (0, 1]", self.positive_iou)
        ignore = self.ignore_iou
        require(ignore is None or 0 < ignore <= 1, "matching.ignore_iou", "in (0, 1] or None", ignore)


@dataclass(frozen=True)
class CanvasConfig:
    """The black square that pictures are placed on. Sizes are in pixels, ranges are (least, most)."""

    size: int
    object_size: tuple[int, int]  # longer side of a placed picture
    objects: tuple[int, int] = (1, 1)
    max_overlap: float = 0.0  # of two boxes, as a share of the smaller one's area
    flip: bool = False  # mirror training pictures left to right with probability one half

    def __post_init__(self) -> None:
        require_between("canvas.size", self.size, 1, MAX_CANVAS)
        least, most = self.object_size
        in_order = 0 < least <= most <= self.size
        require(in_order, "canvas.object_size", f"0 < least <= most <= {self.size}", (least, most))
        fewest, most = self.objects
        require(
            1 <= fewest <= most <= MAX_OBJECTS, "canvas.objects", f"1 <= least <= most <= {MAX_OBJECTS}", self.objects
        )
        require(0 <= self.max_overlap <= 1, "canvas.max_overlap", "in [0, 1]", self.max_overlap)


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
    anchors: AnchorConfig
    matching: MatchingConfig
    canvas: CanvasConfig
    shards: ShardCounts
    copies: int = 1  # placements of each training picture; val and test have one
    seed: int = 0
    val_fraction: float = 0.1  # of the source's training split, chosen by the hash of the source id
    picture_format: str = "raw"
    limit: Count | None = None  # pictures of each split of the source

    def __post_init__(self) -> None:
        require(1 <= self.copies <= MAX_COPIES, "records.copies", f"at least 1 and at most {MAX_COPIES}", self.copies)
        require_between("records.seed", self.seed, -MAX_SEED, MAX_SEED)
        require(0 <= self.val_fraction < 1, "records.val_fraction", "in [0, 1)", self.val_fraction)
        known = self.picture_format in PICTURE_FORMATS
        require(known, "records.picture_format", f"one of {', '.join(PICTURE_FORMATS)}", self.picture_format)
        require(self.limit is None or self.limit > 0, "limit", "at least 1", self.limit)
