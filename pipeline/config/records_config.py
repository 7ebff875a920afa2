"""Configuration of a record set: everything that decides its bytes, except for the source's own data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.config.field_types import Count, Name
from pipeline.errors import require, require_between

IMAGE_FORMATS = ("raw", "png", "jpeg")
SPLITS = ("train", "val", "test")
FORCED = ("bipartite", "first", "last", "none")

# Limits far above any real setting. They keep a forged file from asking for memory or time without end.
MAX_MAPS = 32
MAX_CANVAS = 8_192  # pixels; a raw canvas must fit into a record
MAX_RATIO = 100.0
MAX_SCALE = 100.0
MAX_WEIGHT = 1_000.0
MAX_OBJECTS = 10_000
MAX_COPIES = 1_000_000
MAX_VIEWS = 1_000
MAX_IMAGE = 65_500  # pixels of a side; no JPEG is larger
MAX_ZOOM = 100.0
MAX_CHOICES = 100
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class AnchorConfig:
    """The anchors of every feature map, finest map first. An aspect ratio is width over height.

    A box of scale s and aspect ratio a has width s·√a and height s/√a, relative to the shorter side of its cell or of
    the whole canvas (SSD, arXiv 1512.02325, section 2.2). If `scale_after_last` is set, the last box of each cell is an
    additional square one of scale √(s_k · s_{k+1}).
    """

    strides: tuple[int, ...]  # pixels from one cell to the next, for each map; one may be there twice
    scales: tuple[float, ...]  # for each map
    aspect_ratios: tuple[tuple[float, ...], ...]  # for each map, in the order of its boxes
    relative_to: str  # "cell" or "image"
    scale_after_last: float | None = None
    centers: str = "cell"  # in the middle of cells that fill the canvas, or "stride": a stride apart, as in SSD300
    clip_sides: bool = False  # whether no height or width exceeds the canvas's; corners may lie outside all the same

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
        require(self.centers in ("cell", "stride"), "anchors.centers", '"cell" or "stride"', self.centers)


@dataclass(frozen=True)
class MatchingConfig:
    """Which anchors are objects, and how their offsets are scaled."""

    positive_iou: float  # at or above this IoU, an anchor is an object
    ignore_iou: float | None  # at or above this IoU, an unmatched anchor is not background but ignored; None: never
    forced: str = "bipartite"  # which object has an anchor that is best for several: see `geometry/matching.py`
    coder_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # factors of offsets, cy, cx, h, w

    @property
    def lowest_iou(self) -> float:
        """The IoU from which an anchor is not simply background."""
        return self.positive_iou if self.ignore_iou is None else min(self.positive_iou, self.ignore_iou)

    def __post_init__(self) -> None:
        require(0 < self.positive_iou <= 1, "matching.positive_iou", "in (0, 1]", self.positive_iou)
        ignore = self.ignore_iou
        require(ignore is None or 0 < ignore <= 1, "matching.ignore_iou", "in (0, 1] or None", ignore)
        require(self.forced in FORCED, "matching.forced", f"one of {', '.join(FORCED)}", self.forced)
        for weight in self.coder_weights:
            require_between("matching.coder_weights", weight, 1 / MAX_WEIGHT, MAX_WEIGHT)


@dataclass(frozen=True)
class Collage:
    """Images of single objects, placed on a black square. Sizes are in pixels, ranges are (least, most)."""

    size: int  # of the canvas
    object_size: tuple[int, int]  # longer side of a placed image
    objects: tuple[int, int] = (1, 1)
    max_overlap: float = 0.0  # of two boxes, as a share of the smaller one's area
    flip: bool = False  # mirror training images left to right with probability one half

    def __post_init__(self) -> None:
        require_between("collage.size", self.size, 1, MAX_CANVAS)
        least, most = self.object_size
        in_order = 0 < least <= most <= self.size
        require(in_order, "collage.object_size", f"0 < least <= most <= {self.size}", (least, most))
        fewest, most = self.objects
        require(
            1 <= fewest <= most <= MAX_OBJECTS, "collage.objects", f"1 <= least <= most <= {MAX_OBJECTS}", self.objects
        )
        require(0 <= self.max_overlap <= 1, "collage.max_overlap", "in [0, 1]", self.max_overlap)


@dataclass(frozen=True)
class Crop:
    """How a training image is zoomed out and cropped (SSD, arXiv 1512.02325, section 2.2). Ranges: (least, most)."""

    zoom_out: tuple[float, float] = (1.0, 4.0)  # frame side / image side; framed with probability one half
    min_ious: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)  # the least IoU of some box with the crop
    sides: tuple[float, float] = (0.3, 1.0)  # sides of a crop, as shares of the frame's sides
    aspect_ratios: tuple[float, float] = (0.5, 2.0)  # of a crop, width over height

    def __post_init__(self) -> None:
        least, most = self.zoom_out
        require(1 <= least <= most <= MAX_ZOOM, "crop.zoom_out", f"1 <= least <= most <= {MAX_ZOOM}", self.zoom_out)
        require(len(self.min_ious) <= MAX_CHOICES, "crop.min_ious", f"at most {MAX_CHOICES}", len(self.min_ious))
        require(all(0 < iou < 1 for iou in self.min_ious), "crop.min_ious", "in (0, 1)", self.min_ious)
        require(0 < self.sides[0] <= self.sides[1] <= 1, "crop.sides", "0 < least <= most <= 1", self.sides)
        least, most = self.aspect_ratios
        require(
            1 / MAX_RATIO <= least <= most <= MAX_RATIO,
            "crop.aspect_ratios",
            f"{1 / MAX_RATIO} <= least <= most <= {MAX_RATIO}",
            self.aspect_ratios,
        )


@dataclass(frozen=True)
class Letterbox:
    """Images with boxes of their own, scaled to fit a black square, aspect ratio kept."""

    size: int  # of the canvas, pixels
    image_side: int | None = None  # the most pixels of a stored image's longer side; None: as the source has it
    crop: Crop | None = Crop()  # how views after the first are cropped; None: each shows the whole image
    flip: bool = True  # mirror views after the first left to right with probability one half

    def __post_init__(self) -> None:
        require_between("letterbox.size", self.size, 1, MAX_CANVAS)
        if self.image_side is not None:
            require_between("letterbox.image_side", self.image_side, 1, MAX_IMAGE)


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
    shards: ShardCounts
    collage: Collage | None = None  # how an image becomes a canvas: either this
    letterbox: Letterbox | None = None  # or this
    views: int = 1  # of each training record; val and test have one
    copies: int = 1  # records of each training image, each with its own composition; val and test have one
    seed: int = 0
    val_fraction: float = 0.1  # of the source's training split, chosen by the hash of the source id
    image_format: str = "raw"
    limit: Count | None = None  # images of each split of the source
    proposed_anchors: bool = False  # whether the anchors were proposed from the set's own boxes

    def __post_init__(self) -> None:
        one = (self.collage is None) != (self.letterbox is None)
        got = "both" if self.collage else "neither"
        require(one, "records", "either a collage or a letterbox", got)
        require_between("records.views", self.views, 1, MAX_VIEWS)
        require(1 <= self.copies <= MAX_COPIES, "records.copies", f"at least 1 and at most {MAX_COPIES}", self.copies)
        require_between("records.seed", self.seed, -MAX_SEED, MAX_SEED)
        require(0 <= self.val_fraction < 1, "records.val_fraction", "in [0, 1)", self.val_fraction)
        known = self.image_format in IMAGE_FORMATS
        require(known, "records.image_format", f"one of {', '.join(IMAGE_FORMATS)}", self.image_format)
        require(self.limit is None or self.limit > 0, "limit", "at least 1", self.limit)

    @property
    def composition(self) -> Collage | Letterbox:
        """How an image becomes a canvas."""
        composition = self.collage or self.letterbox
        assert composition is not None  # checked above
        return composition

    @property
    def canvas_size(self) -> int:
        """Height and width of the canvases, pixels."""
        return self.composition.size

    def views_of(self, split: str) -> int:
        """Views of each record of a split."""
        return self.views if split == "train" else 1

    def copies_of(self, split: str) -> int:
        """Records of each image of a split."""
        return self.copies if split == "train" else 1


def with_canvas_size(config: RecordsConfig, size: int) -> RecordsConfig:
    """The same records on canvases of another size, pixels.

    A collage's objects keep their sizes in pixels; a letterbox's stored images are limited in proportion.
    """
    if config.collage is not None:
        return replace(config, collage=replace(config.collage, size=size))
    letterbox = config.letterbox
    assert letterbox is not None
    side = letterbox.image_side and letterbox.image_side * size // letterbox.size
    return replace(config, letterbox=replace(letterbox, size=size, image_side=side))


def on_canvases(config: RecordsConfig) -> RecordsConfig:
    """The same records for images of single objects: one on each canvas, a quarter to a half its size."""
    size = config.canvas_size
    collage = Collage(size=size, object_size=(max(1, size // 4), max(1, size // 2)), flip=True)
    return replace(config, collage=collage, letterbox=None)
