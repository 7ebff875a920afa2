"""Configuration: checked when made, the same after a trip through JSON, and the same fingerprint for equal ones."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.config.plain import LATER, canonical_json, checksum, from_dict, to_dict
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import (
    MAX_IMAGE,
    MAX_VIEWS,
    AnchorConfig,
    Collage,
    Crop,
    Letterbox,
    MatchingConfig,
    RecordsConfig,
    ShardCounts,
)
from pipeline.config.run_config import AugmentConfig, LossConfig
from pipeline.errors import UserError

COLLAGE = Collage(size=224, object_size=(64, 64))
BASELINE = RecordsConfig(
    source="cifar10",
    anchors=BASELINE_ANCHORS,
    matching=BASELINE_MATCHING,
    collage=COLLAGE,
    shards=ShardCounts(train=16, val=2, test=4),
)
IMPROVED = dataclasses.replace(BASELINE, anchors=IMPROVED_ANCHORS, matching=IMPROVED_MATCHING, limit=100)
LETTERBOX = dataclasses.replace(
    IMPROVED, source="boxes", collage=None, letterbox=Letterbox(size=320, image_side=400), views=16
)


@pytest.mark.parametrize("config", [BASELINE, IMPROVED, LETTERBOX], ids=["baseline", "improved", "letterbox"])
def test_a_configuration_survives_json(config: RecordsConfig) -> None:
    values = json.loads(json.dumps(to_dict(config)))
    again = from_dict(RecordsConfig, values, where="manifest")
    assert again == config
    assert to_dict(again) == values
    assert hash(again) == hash(config)


def test_equal_configurations_have_equal_checksums() -> None:
    """0 and 0.0 are equal settings; a fingerprint must not tell them apart, nor change on the way through JSON."""
    whole = dataclasses.replace(BASELINE, collage=dataclasses.replace(COLLAGE, max_overlap=0), val_fraction=0)
    real = dataclasses.replace(BASELINE, collage=dataclasses.replace(COLLAGE, max_overlap=0.0), val_fraction=0.0)
    assert whole == real
    again = from_dict(RecordsConfig, to_dict(whole), where="manifest")
    assert checksum(to_dict(whole)) == checksum(to_dict(real)) == checksum(to_dict(again))


def test_any_setting_changes_the_checksum() -> None:
    others = [
        dataclasses.replace(BASELINE, seed=1),
        dataclasses.replace(BASELINE, copies=2),
        dataclasses.replace(BASELINE, matching=MatchingConfig(0.3, 0.4)),
        dataclasses.replace(BASELINE, views=2),
        dataclasses.replace(BASELINE, collage=dataclasses.replace(COLLAGE, flip=True)),
        IMPROVED,
        LETTERBOX,
        dataclasses.replace(LETTERBOX, letterbox=Letterbox(size=320, image_side=400, crop=None)),
        dataclasses.replace(LETTERBOX, letterbox=Letterbox(size=320)),
    ]
    assert len({checksum(to_dict(c)) for c in [BASELINE, *others]}) == 10


def test_a_image_becomes_a_canvas_by_a_collage_or_by_a_letterbox() -> None:
    assert BASELINE.composition == COLLAGE and BASELINE.canvas_size == 224
    assert LETTERBOX.composition == LETTERBOX.letterbox and LETTERBOX.canvas_size == 320
    with pytest.raises(UserError, match=r"^records must be either a collage or a letterbox, got 'neither'$"):
        dataclasses.replace(BASELINE, collage=None)
    with pytest.raises(UserError, match=r"^records must be either a collage or a letterbox, got 'both'$"):
        dataclasses.replace(BASELINE, letterbox=Letterbox(size=320))


def test_only_training_has_several_views_and_copies() -> None:
    config = dataclasses.replace(LETTERBOX, copies=3)
    assert [config.views_of(split) for split in ("train", "val", "test")] == [16, 1, 1]
    assert [config.copies_of(split) for split in ("train", "val", "test")] == [3, 1, 1]


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "ü"}) == '{"a":"\\u00fc","b":[1,2.5]}'
    assert checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seed",), "0", "manifest: seed must be of type int, got '0'"),
        (("seed",), True, "manifest: seed must be of type int, got True"),
        (("seed",), 1.5, "manifest: seed must be of type int, got 1.5"),
        (("limit",), "all", "manifest: limit must be of type int or None, got 'all'"),
        (("source",), None, "manifest: source must be of type str, got None"),
        (("collage", "flip"), 1, "manifest: collage.flip must be of type bool, got 1"),
        (("collage", "object_size"), [64], r"manifest: collage.object_size must be a list of length 2, got \[64\]"),
        (("collage", "object_size"), 64, "manifest: collage.object_size must be a list, got 64"),
        (("collage",), [], r"manifest: collage must be a JSON object or None, got \[\]"),
        (("letterbox",), 3, r"manifest: letterbox must be a JSON object or None, got 3"),
        (("views",), None, "manifest: views must be of type int, got None"),
        (("views",), 0, f"manifest: records.views must be from 1 to {MAX_VIEWS}, got 0"),
        (("anchors", "scales"), ["0.9"], "manifest: anchors.scales\\[0\\] must be of type float, got '0.9'"),
        (("matching",), [], r"manifest: matching must be a JSON object, got \[\]"),
        (("matching", "more"), 1, "manifest: matching must have no field 'more', got one"),
        (("matching", "positive_iou"), 0, r"manifest: matching.positive_iou must be in \(0, 1\], got 0.0"),
    ],
)
def test_values_of_another_type_are_named(path: tuple[str, ...], value: object, message: str) -> None:
    values: Any = to_dict(BASELINE)
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(UserError, match=f"^{message}"):
        from_dict(RecordsConfig, values, where="manifest")


def test_a_missing_field_is_named() -> None:
    values = to_dict(BASELINE)
    del values["seed"]
    with pytest.raises(
        UserError, match=r"^manifest must have the field seed, got none; it was written by another version"
    ):
        from_dict(RecordsConfig, values, where="manifest")


@pytest.mark.parametrize("field", ["image_side", "crop", "flip"])
def test_a_missing_field_of_a_letterbox_is_named(field: str) -> None:
    values: Any = to_dict(LETTERBOX)
    del values["letterbox"][field]
    with pytest.raises(UserError, match=rf"^manifest: letterbox must have the field {field}, got none"):
        from_dict(RecordsConfig, values, where="manifest")


@dataclass(frozen=True)
class Grown:
    """A setting that was always there, and one that came later."""

    old: int = 1
    new: int = field(default=2, metadata=LATER)


def test_only_a_field_that_came_later_may_be_missing() -> None:
    assert from_dict(Grown, {"old": 5}, where="run") == Grown(old=5, new=2)
    assert from_dict(Grown, {"old": 5, "new": 6}, where="run") == Grown(old=5, new=6)
    assert to_dict(Grown()) == {"old": 1, "new": 2}
    for values in ({"new": 6}, {"old": 5, "newer": 6}):
        with pytest.raises(
            UserError, match=r"^run must have (the field old, got none|no field 'newer', got one); it was"
        ):
            from_dict(Grown, values, where="run")


ANCHORS: dict[str, Any] = {
    "strides": (8,),
    "scales": (0.5,),
    "aspect_ratios": ((1.0,),),
    "relative_to": "image",
}


@pytest.mark.parametrize(
    ("kind", "settings", "named"),
    [
        (AnchorConfig, {**ANCHORS, "strides": ()}, "anchors.strides"),
        (AnchorConfig, {**ANCHORS, "strides": (0,)}, "anchors.strides"),
        (AnchorConfig, {**ANCHORS, "scales": (0.5, 0.6)}, "anchors.scales"),
        (AnchorConfig, {**ANCHORS, "scales": (0.0,)}, "anchors.scales"),
        (AnchorConfig, {**ANCHORS, "scales": (float("nan"),)}, "anchors.scales"),
        (AnchorConfig, {**ANCHORS, "aspect_ratios": ()}, "anchors.aspect_ratios"),
        (AnchorConfig, {**ANCHORS, "aspect_ratios": ((),)}, "anchors.aspect_ratios"),
        (AnchorConfig, {**ANCHORS, "aspect_ratios": ((-1.0,),)}, "anchors.aspect_ratios"),
        (AnchorConfig, {**ANCHORS, "relative_to": "map"}, "anchors.relative_to"),
        (AnchorConfig, {**ANCHORS, "scale_after_last": 0.0}, "anchors.scale_after_last"),
        (MatchingConfig, {"positive_iou": 0.0, "ignore_iou": 0.5}, "matching.positive_iou"),
        (MatchingConfig, {"positive_iou": 0.5, "ignore_iou": 0.5, "forced": "all"}, "matching.forced"),
        (
            MatchingConfig,
            {"positive_iou": 0.5, "ignore_iou": 0.5, "coder_weights": (1, 1, 0, 1)},
            "matching.coder_weights",
        ),
        (AnchorConfig, {**ANCHORS, "centers": "corner"}, "anchors.centers"),
        (MatchingConfig, {"positive_iou": 0.5, "ignore_iou": 1.1}, "matching.ignore_iou"),
        (Collage, {"size": 0, "object_size": (1, 1)}, "collage.size"),
        (Collage, {"size": 64, "object_size": (65, 65)}, "collage.object_size"),
        (Collage, {"size": 64, "object_size": (40, 20)}, "collage.object_size"),
        (Collage, {"size": 64, "object_size": (20, 40), "objects": (0, 1)}, "collage.objects"),
        (Collage, {"size": 64, "object_size": (20, 40), "max_overlap": 1.5}, "collage.max_overlap"),
        (Letterbox, {"size": 0}, "letterbox.size"),
        (Letterbox, {"size": 8193}, "letterbox.size"),
        (Letterbox, {"size": 64, "image_side": 0}, "letterbox.image_side"),
        (Letterbox, {"size": 64, "image_side": MAX_IMAGE + 1}, "letterbox.image_side"),
        (Crop, {"zoom_out": (0.9, 4.0)}, "crop.zoom_out"),
        (Crop, {"zoom_out": (4.0, 2.0)}, "crop.zoom_out"),
        (Crop, {"zoom_out": (1.0, 101.0)}, "crop.zoom_out"),
        (Crop, {"zoom_out": (float("nan"), 4.0)}, "crop.zoom_out"),
        (Crop, {"min_ious": (0.5, 1.0)}, "crop.min_ious"),
        (Crop, {"min_ious": (0.0,)}, "crop.min_ious"),
        (Crop, {"min_ious": (0.5,) * 101}, "crop.min_ious"),
        (Crop, {"sides": (0.0, 1.0)}, "crop.sides"),
        (Crop, {"sides": (0.5, 1.1)}, "crop.sides"),
        (Crop, {"sides": (0.9, 0.5)}, "crop.sides"),
        (Crop, {"aspect_ratios": (2.0, 0.5)}, "crop.aspect_ratios"),
        (Crop, {"aspect_ratios": (0.0, 2.0)}, "crop.aspect_ratios"),
        (Crop, {"aspect_ratios": (0.5, float("inf"))}, "crop.aspect_ratios"),
        (ShardCounts, {"train": 1, "val": 0, "test": 1}, "records.shards.val"),
        (ShardCounts, {"train": 100_000, "val": 1, "test": 1}, "records.shards.train"),
        (LossConfig, {"label_smoothing": 1.0}, "loss.label_smoothing"),
        (LossConfig, {"label_smoothing": -0.1}, "loss.label_smoothing"),
        (AugmentConfig, {"colour": 1.0}, "augment.colour"),
        (AugmentConfig, {"colour": -0.1}, "augment.colour"),
        (AugmentConfig, {"cutouts": -1}, "augment.cutouts"),
        (AugmentConfig, {"cutout_side": 0.0}, "augment.cutout_side"),
        (AugmentConfig, {"cutout_side": 1.0}, "augment.cutout_side"),
    ],
)
def test_a_setting_out_of_range_is_named(kind: type, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=f"^{named} must be [^\n]*, got [^\n]*$"):
        kind(**settings)


@pytest.mark.parametrize(
    "setting",
    [
        {"copies": 0},
        {"views": 0},
        {"views": MAX_VIEWS + 1},
        {"seed": 2**63},
        {"val_fraction": 1.0},
        {"image_format": "gif"},
        {"limit": 0},
    ],
    ids=str,
)
def test_a_record_setting_out_of_range_is_named(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(setting))} must be [^\n]*, got [^\n]*$"):
        dataclasses.replace(BASELINE, **setting)
