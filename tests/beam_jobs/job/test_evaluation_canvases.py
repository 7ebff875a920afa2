"""Canvases of val and test do not depend on settings of training, so that these settings can be compared."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from beam_jobs.job.entries import make_entries, record_split
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.digits import Digits
from beam_jobs.sources.source import Source
from configs import load_config
from pipeline.compositions.collage import Collage
from pipeline.compositions.crop import Crop
from pipeline.compositions.letterbox import Letterbox
from pipeline.compositions.resize import paint_view
from pipeline.config import presets
from pipeline.config.records_config import RecordsConfig, ShardCounts
from pipeline.geometry.matching import MatchingConfig
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.one_entry import build_one
from tests.record_sets import collage_of

COLLAGE = Collage(canvas=(64, 64), object_size=(14, 22), objects=(1, 2))
LETTERBOX = Letterbox(canvas=(64, 64))
OF_DIGITS = RecordsConfig(
    source="digits",
    anchors=presets.IMPROVED_ANCHORS,
    matching=presets.IMPROVED_MATCHING,
    composition=COLLAGE,
    shards=ShardCounts(train=2, val=1, test=1),
    views=2,
)
OF_IMAGES = replace(OF_DIGITS, source="images", composition=LETTERBOX, val_fraction=0.3)
# What decides which canvas a key stands for. Every other setting is one of training.
COMPOSITION_DECIDES: dict[type[Collage | Letterbox], set[str]] = {
    Collage: {"canvas", "object_size", "objects", "max_overlap"},
    Letterbox: {"canvas", "image_side", "stretch", "interpolation"},  # how images of all splits are scaled
}
RECORDS_DECIDE = {"source", "composition", "seed", "val_fraction", "limit", "images", "jpeg_quality"}
CROPS = [
    Crop(zoom_out=(1.0, 2.0)),
    Crop(min_ious=()),
    Crop(sides=(0.5, 0.9)),
    Crop(aspect_ratios=(1.0, 1.0)),
]
COMPOSITIONS: dict[type[Collage | Letterbox], list[Any]] = {
    Collage: [structs.replace(COLLAGE, flip=True)],
    Letterbox: [structs.replace(LETTERBOX, flip=False)]
    + [structs.replace(LETTERBOX, crop=crop) for crop in (None, *CROPS)],
}
OTHERS: dict[str, Any] = {
    "anchors": presets.BASELINE_ANCHORS,
    "matching": MatchingConfig(positive_iou=0.3, ignore_iou=0.2),
    "shards": ShardCounts(train=3, val=2, test=2),
    "copies": 3,
    "views": 5,
    "image_format": "png",
    "proposed_anchors": True,
}
Canvases = dict[str, tuple[bytes, bytes, list[int]]]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[type, Source]:
    """Digits, and images with boxes of their own, by the composition that they are for."""
    images = write_images(Path(tmp_path_factory.mktemp("images")), 60)
    return {Collage: Digits.prepare(DataPaths()), Letterbox: images}


def canvases(config: RecordsConfig, source: Source) -> Canvases:
    """By key: pixels, boxes and labels of some canvases of val and test."""
    builder = RecordBuilder(config, source)
    found = {}
    for item in list(source.items())[:200]:
        if record_split(config, source, item) != "train":
            for _, entry in make_entries(config, source, item):
                record = build_one(builder, entry).record
                (view,) = record.views
                assert builder.composer.find_boxes(entry).tobytes() == view.boxes.tobytes()
                canvas = paint_view(record.image(), view.view, canvas=(64, 64))
                found[entry.key] = (canvas.tobytes(), view.boxes.tobytes(), view.labels.tolist())
    return found


def test_every_setting_either_decides_the_canvas_or_is_tried_here() -> None:
    fields = {f.name for f in dataclasses.fields(RecordsConfig)}
    assert fields == RECORDS_DECIDE | set(OTHERS)
    for plain in (COLLAGE, LETTERBOX):
        names, others = type(plain).__struct_fields__, COMPOSITIONS[type(plain)]
        tried = {name for name in names for other in others if getattr(other, name) != getattr(plain, name)}
        assert set(names) == COMPOSITION_DECIDES[type(plain)] | tried
    assert all(any(getattr(crop, f.name) != f.default for crop in CROPS) for f in dataclasses.fields(Crop))


@pytest.mark.parametrize("plain", [OF_DIGITS, OF_IMAGES], ids=["collage", "letterbox"])
def test_canvases_of_evaluation_do_not_depend_on(plain: RecordsConfig, sources: dict[type, Source]) -> None:
    kind = type(plain.composition)
    expected = canvases(plain, sources[kind])
    assert len(expected) > 20 and {key.partition("/")[0] for key in expected} == {"val", "test"}
    changes = [*OTHERS.items(), *(("composition", other) for other in COMPOSITIONS[kind])]
    for setting, value in changes:
        assert canvases(replace(plain, **{setting: value}), sources[kind]) == expected, f"{setting} {value}"


@pytest.mark.parametrize("plain", [OF_DIGITS, OF_IMAGES], ids=["collage", "letterbox"])
def test_training_canvases_do(plain: RecordsConfig, sources: dict[type, Source]) -> None:
    """The opposite, so that the tests above cannot pass by comparing nothing."""
    kind = type(plain.composition)
    source = sources[kind]
    config = replace(plain, views=8)
    item = next(i for i in source.items() if record_split(config, source, i) == "train")

    def layouts(config: RecordsConfig) -> list[bytes]:
        """All views of a training image, with its pixels."""
        _, entry = next(make_entries(config, source, item))
        record = build_one(RecordBuilder(config, source), entry).record
        return [paint_view(record.image(), view.view, canvas=(64, 64)).tobytes() for view in record.views]

    assert len(set(layouts(config))) > 4
    seen = {b"".join(layouts(replace(config, composition=c))) for c in (config.composition, *COMPOSITIONS[kind])}
    assert len(seen) == 1 + len(COMPOSITIONS[kind])


def test_training_images_of_a_collage_are_mirrored_when_they_are_composed(sources: dict[type, Source]) -> None:
    source, images = sources[Collage], []
    item = next(i for i in source.items() if record_split(OF_DIGITS, source, i) == "train")
    for flip in (False, True):
        config = replace(OF_DIGITS, composition=structs.replace(COLLAGE, flip=flip), copies=8)
        builder = RecordBuilder(config, source)
        images.append([build_one(builder, entry).record.encoded for _, entry in make_entries(config, source, item)])
    assert images[0] != images[1]


def test_baseline_and_improved_are_evaluated_on_the_same_canvases() -> None:
    small, baseline = (load_config(name).records for name in ("cifar10_small", "cifar10_small_baseline"))
    assert structs.replace(collage_of(small), flip=False) == structs.replace(collage_of(baseline), flip=False)
    assert (small.seed, small.val_fraction) == (baseline.seed, baseline.val_fraction)
