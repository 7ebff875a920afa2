"""Configuration of a record set: everything that decides its bytes, except for the source's own data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import require

PICTURE_FORMATS = ("raw", "png", "jpeg")
SPLITS = ("train", "val", "test")


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
        require(maps > 0, "anchors.strides", "one number for each map, and at least one", self.strides)
        require(all(s > 0 for s in self.strides), "anchors.strides", "positive", self.strides)
        require(len(self.scales) == maps, "anchors.scales", f"{maps} numbers, one for each map", self.scales)
        require(all(s > 0 for s in self.scales), "anchors.scales", "positive", self.scales)
        ratios = self.aspect_ratios
        require(len(ratios) == maps, "anchors.aspect_ratios", f"{maps} lists, one for each map", ratios)
        require(all(r and min(r) > 0 for r in ratios), "anchors.aspect_ratios", "lists of positive numbers", ratios)
        require(self.relative_to in ("cell", "image"), "anchors.relative_to", '"cell" or "image"', self.relative_to)
        after = self.scale_after_last
        require(after is None or after > 0, "anchors.scale_after_last", "positive or None", after)


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
        require(self.size > 0, "canvas.size", "positive", self.size)
        least, most = self.object_size
        in_order = 0 < least <= most <= self.size
        require(in_order, "canvas.object_size", f"0 < least <= most <= {self.size}", (least, most))
        require(1 <= self.objects[0] <= self.objects[1], "canvas.objects", "1 <= least <= most", self.objects)
        require(0 <= self.max_overlap <= 1, "canvas.max_overlap", "in [0, 1]", self.max_overlap)


@dataclass(frozen=True)
class ShardCounts:
    """Shards of each split. Choose many more shards than workers: a shard is the unit of work and of retry."""

    train: int
    val: int
    test: int

    def __post_init__(self) -> None:
        for split in SPLITS:
            require(0 < self.of(split) <= 99_999, f"records.shards.{split}", "from 1 to 99999", self.of(split))

    def of(self, split: str) -> int:
        """The number of shards of a split."""
        return int(getattr(self, split))


@dataclass(frozen=True)
class RecordsConfig:
    """Everything that decides the bytes of a record set, except for the source's own data."""

    source: str
    anchors: AnchorConfig
    matching: MatchingConfig
    canvas: CanvasConfig
    shards: ShardCounts
    copies: int = 1  # placements of each training picture; val and test have one
    seed: int = 0
    val_fraction: float = 0.1  # of the source's training split, chosen by the hash of the source id
    picture_format: str = "raw"
    limit: int | None = None  # pictures of each split of the source

    def __post_init__(self) -> None:
        require(self.copies >= 1, "records.copies", "at least 1", self.copies)
        require(0 <= self.val_fraction < 1, "records.val_fraction", "in [0, 1)", self.val_fraction)
        known = self.picture_format in PICTURE_FORMATS
        require(known, "records.picture_format", f"one of {', '.join(PICTURE_FORMATS)}", self.picture_format)
        require(self.limit is None or self.limit > 0, "limit", "at least 1", self.limit)
