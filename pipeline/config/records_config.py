"""Configuration of a record set: anchors, matching, canvas, records. Frozen, checked when made, plain JSON outside."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import UserError

T = TypeVar("T")

PICTURE_FORMATS = ("raw", "png", "jpeg")
SPLITS = ("train", "val", "test")

# Metadata of a field that files of earlier versions lack. Its default must be what was done before it existed.
LATER = {"later": True}


def require(condition: bool, name: str, must_be: str, got: object) -> None:
    """Raises `UserError` "<name> must be <must_be>, got <got>" unless the condition holds."""
    if not condition:
        raise UserError(f"{name} must be {must_be}, got {got!r}")


@dataclass(frozen=True)
class AnchorConfig:
    """Anchors of every feature map, finest first. Aspect ratio is width over height.

    A box of scale s and ratio a has width s·√a and height s/√a, relative to its cell or to the whole picture
    (SSD, arXiv 1512.02325, section 2.2). With `scale_after_last`, every map has one more square box, the last of
    its cell, of scale √(s_k · s_{k+1}).
    """

    strides: tuple[int, ...]  # pixels between cells, one for each map
    scales: tuple[float, ...]  # one for each map
    aspect_ratios: tuple[tuple[float, ...], ...]  # of each map, in the order of its boxes
    relative_to: str  # "cell" or "image"
    scale_after_last: float | None = None

    def __post_init__(self) -> None:
        maps = len(self.strides)
        require(maps > 0, "anchors.strides", "of at least one feature map", self.strides)
        require(all(s > 0 for s in self.strides), "anchors.strides", "positive", self.strides)
        require(len(self.scales) == maps, "anchors.scales", f"{maps} numbers, one a map", self.scales)
        require(all(s > 0 for s in self.scales), "anchors.scales", "positive", self.scales)
        ratios = self.aspect_ratios
        require(len(ratios) == maps, "anchors.aspect_ratios", f"{maps} lists, one a map", ratios)
        require(all(r and min(r) > 0 for r in ratios), "anchors.aspect_ratios", "lists of positive numbers", ratios)
        require(self.relative_to in ("cell", "image"), "anchors.relative_to", '"cell" or "image"', self.relative_to)
        after = self.scale_after_last
        require(after is None or after > 0, "anchors.scale_after_last", "positive or None", after)


@dataclass(frozen=True)
class MatchingConfig:
    """IoU from which an anchor is an object, and from which an unmatched anchor is not background either."""

    positive_iou: float
    neutral_iou: float

    def __post_init__(self) -> None:
        require(0 < self.positive_iou <= 1, "matching.positive_iou", "in (0, 1]", self.positive_iou)
        require(0 < self.neutral_iou <= 1, "matching.neutral_iou", "in (0, 1]", self.neutral_iou)


@dataclass(frozen=True)
class CanvasConfig:
    """A black square on which source pictures are placed. Sizes in pixels; ranges are (least, most)."""

    size: int
    object_size: tuple[int, int]  # longer side of a placed picture
    objects: tuple[int, int] = (1, 1)
    max_overlap: float = 0.0  # share of the smaller of two boxes that the other may cover
    flip: bool = False  # the source picture, left-right, with probability one half

    def __post_init__(self) -> None:
        require(self.size > 0, "canvas.size", "positive", self.size)
        least, most = self.object_size
        require(
            0 < least <= most <= self.size, "canvas.object_size", f"0 < least <= most <= {self.size}", (least, most)
        )
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
    """Everything that, with the source's own data, decides the bytes of a record set."""

    source: str
    anchors: AnchorConfig
    matching: MatchingConfig
    canvas: CanvasConfig
    shards: ShardCounts
    copies: int = 1  # placements of each training picture; val and test have one
    seed: int = 0
    val_fraction: float = 0.1  # of the source's training split, chosen by hash of the source id
    picture_format: str = "raw"
    limit: int | None = None  # of each split of the source

    def __post_init__(self) -> None:
        require(self.copies >= 1, "records.copies", "at least 1", self.copies)
        require(0 <= self.val_fraction < 1, "records.val_fraction", "in [0, 1)", self.val_fraction)
        known = self.picture_format in PICTURE_FORMATS
        require(known, "records.picture_format", f"one of {', '.join(PICTURE_FORMATS)}", self.picture_format)
        require(self.limit is None or self.limit > 0, "limit", "at least 1", self.limit)


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values. Equal ones give the same text: a real setting of 0 is 0.0."""

    def plain(values: Any) -> dict[str, Any]:
        return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(values))))

    return plain(from_dict(type(config), plain(config), where=type(config).__name__))


def from_dict(kind: type[T], values: Any, *, where: str) -> T:
    """The dataclass that `to_dict` wrote down. Only fields that are `LATER` may be missing: they have their defaults.

    Raises `UserError` naming `where` for missing or unknown fields.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    needed = {name for name, field in fields.items() if not field.metadata.get("later")}
    if not isinstance(values, dict) or not needed <= set(values) <= set(fields):
        got = ", ".join(sorted(values)) if isinstance(values, dict) else repr(values)
        raise UserError(f"{where} must have the fields {', '.join(sorted(fields))}, got {got}; "
                        "it was written by another version of prematch")  # fmt: skip
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name], values[name], f"{where}.{name}") for name in fields if name in values})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where=where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # X | None
        return None if value is None else _value(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where} must be a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[1:] == (Ellipsis,) else arguments
        if len(kinds) != len(value):
            raise UserError(f"{where} must be a list of {len(kinds)}, got {value!r}")
        return tuple(_value(k, v, where) for k, v in zip(kinds, value, strict=True))
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise UserError(f"{where} must be of type {hint.__name__}, got {value!r}")
    return float(value) if hint is float else value


def canonical_json(values: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for equal values, for checksums."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def checksum(values: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of the values."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()
