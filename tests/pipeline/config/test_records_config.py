"""Configuration: checked when made, the same after a trip through JSON, and the same fingerprint for equal ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pipeline.compositions import AnyComposition
from pipeline.compositions.collage import Collage
from pipeline.compositions.composition import MAX_IMAGE, MAX_OBJECTS
from pipeline.compositions.crop import Crop
from pipeline.compositions.letterbox import Letterbox
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.config.records_config import MAX_VIEWS, RecordsConfig, ShardCounts, parse_image_size
from pipeline.config.run_config import AugmentConfig, LossConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import AnchorConfig
from pipeline.geometry.matching import MatchingConfig
from pipeline.typed_json import checksum, from_dict, to_dict

COLLAGE = Collage(canvas=(224, 224), object_size=(64, 64))
BASELINE = RecordsConfig(
    source="cifar10",
    anchors=BASELINE_ANCHORS,
    matching=BASELINE_MATCHING,
    composition=COLLAGE,
    shards=ShardCounts(train=16, val=2, test=4),
)
IMPROVED = replace(BASELINE, anchors=IMPROVED_ANCHORS, matching=IMPROVED_MATCHING, limit=100)
BOXES = Letterbox(canvas=(320, 480), image_side=600)
LETTERBOX = replace(IMPROVED, source="boxes", composition=BOXES, views=16)


def composed_by(config: RecordsConfig, **change: Any) -> RecordsConfig:
    """With settings of its composition changed."""
    composition: AnyComposition = msgspec.structs.replace(config.composition, **change)
    return replace(config, composition=composition)


@pytest.mark.parametrize("config", [BASELINE, IMPROVED, LETTERBOX], ids=["baseline", "improved", "letterbox"])
def test_a_configuration_survives_json(config: RecordsConfig) -> None:
    values = json.loads(json.dumps(to_dict(config)))
    again = from_dict(RecordsConfig, values, where="manifest")
    assert again == config
    assert to_dict(again) == values
    assert hash(again) == hash(config)


def test_equal_configurations_have_equal_checksums() -> None:
    """0 and 0.0 are equal settings; a fingerprint must not tell them apart, nor change on the way through JSON."""
    whole = replace(composed_by(BASELINE, max_overlap=0), val_fraction=0)
    real = replace(composed_by(BASELINE, max_overlap=0.0), val_fraction=0.0)
    assert whole == real
    again = from_dict(RecordsConfig, to_dict(whole), where="manifest")
    assert checksum(to_dict(whole)) == checksum(to_dict(real)) == checksum(to_dict(again))


def test_any_setting_changes_the_checksum() -> None:
    configs = [
        BASELINE,
        replace(BASELINE, seed=1),
        replace(BASELINE, copies=2),
        replace(BASELINE, matching=MatchingConfig(0.3, 0.4)),
        replace(BASELINE, views=2),
        composed_by(BASELINE, flip=True),
        composed_by(BASELINE, canvas=(224, 256)),
        IMPROVED,
        LETTERBOX,
        composed_by(LETTERBOX, crop=None),
        composed_by(LETTERBOX, crop=Crop(sides=(0.5, 1.0))),
        composed_by(LETTERBOX, image_side=None),
        composed_by(LETTERBOX, stretch=True),
        composed_by(LETTERBOX, canvas=(480, 320)),
    ]
    assert len({checksum(to_dict(config)) for config in configs}) == len(configs)


def test_a_composition_is_stored_with_its_kind() -> None:
    values: Any = to_dict(LETTERBOX)
    assert values["composition"].items() >= {"kind": "letterbox", "canvas": [320, 480], "image_side": 600}.items()
    assert to_dict(BASELINE)["composition"]["kind"] == "collage"
    values["composition"] = {"kind": "letterbox", "canvas": [320, 480]}
    assert from_dict(RecordsConfig, values, where="manifest") == composed_by(LETTERBOX, image_side=None)


def test_the_canvas_is_the_composition_s() -> None:
    assert (BASELINE.canvas, LETTERBOX.canvas) == ((224, 224), (320, 480))
    assert LETTERBOX.on_canvas((160, 240)) == composed_by(LETTERBOX, canvas=(160, 240), image_side=300)


def test_only_training_has_several_views_and_copies() -> None:
    config = replace(LETTERBOX, copies=3)
    assert [config.views_of(split) for split in ("train", "val", "test")] == [16, 1, 1]
    assert [config.copies_of(split) for split in ("train", "val", "test")] == [3, 1, 1]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("source",), "", "Expected `str` of length >= 1 - at `$.source`"),
        (("limit",), -1, "Expected `int` >= 0 - at `$.limit`"),
        (("composition", "canvas"), [0, 9], "letterbox.canvas must be from 1 to 8192, got 0"),
        (("composition", "kind"), "mosaic", "Invalid value 'mosaic' - at `$.composition.kind`"),
        (("composition", "objects"), [1, 1], "Object contains unknown field `objects` - at `$.composition`"),
        (("composition", "crop", "sides"), [0, 1], "crop.sides must be 0 < least <= most <= 1, got (0.0, 1.0)"),
        (("matching", "positive_iou"), 0, "matching.positive_iou must be in (0, 1], got 0.0"),
    ],
)
def test_a_value_that_cannot_be_is_named(path: tuple[str, ...], value: Any, message: str) -> None:
    values: Any = to_dict(LETTERBOX)
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(UserError) as error:
        from_dict(RecordsConfig, values, where="manifest")
    assert str(error.value) == f"manifest: {message}"


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
        (Collage, {"canvas": (0, 64), "object_size": (1, 1)}, "collage.canvas"),
        (Collage, {"canvas": (64, 8193), "object_size": (1, 1)}, "collage.canvas"),
        (Collage, {"canvas": (64, 96), "object_size": (65, 65)}, "collage.object_size"),
        (Collage, {"canvas": (64, 64), "object_size": (40, 20)}, "collage.object_size"),
        (Collage, {"canvas": (64, 64), "object_size": (20, 40), "objects": (0, 1)}, "collage.objects"),
        (Collage, {"canvas": (64, 64), "object_size": (20, 40), "objects": (1, MAX_OBJECTS + 1)}, "collage.objects"),
        (Collage, {"canvas": (64, 64), "object_size": (20, 40), "max_overlap": 1.5}, "collage.max_overlap"),
        (Letterbox, {"canvas": (64, 0)}, "letterbox.canvas"),
        (Letterbox, {"canvas": (8193, 64)}, "letterbox.canvas"),
        (Letterbox, {"canvas": (64, 64), "image_side": 0}, "letterbox.image_side"),
        (Letterbox, {"canvas": (64, 64), "image_side": MAX_IMAGE + 1}, "letterbox.image_side"),
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
        {"images": "apart"},
        {"jpeg_quality": 101},
    ],
    ids=str,
)
def test_a_record_setting_out_of_range_is_named(setting: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(setting))} must be [^\n]*, got [^\n]*$"):
        replace(BASELINE, **setting)


@pytest.mark.parametrize(("text", "canvas"), [("320", (320, 320)), ("288x512", (288, 512)), ("48X96", (48, 96))])
def test_the_size_of_canvases_is_a_number_or_height_x_width(text: str, canvas: tuple[int, int]) -> None:
    assert parse_image_size(text) == canvas


@pytest.mark.parametrize("text", ["", "0", "x", "288x", "288x512x3", "-5", "1e3", "288 x 512", "٣"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--image_size must be a number of pixels, or height x width"):
        parse_image_size(text)
