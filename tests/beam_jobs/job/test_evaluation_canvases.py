"""Canvases of val and test do not depend on settings of training, so that these settings can be compared."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beam_jobs.job.entries import entries_of, record_split
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.sources.data_paths import DataPaths
from beam_jobs.sources.digits import Digits
from beam_jobs.sources.source import Source
from configs import load_config
from pipeline.config import presets
from pipeline.config.records_config import Collage, Crop, Letterbox, MatchingConfig, RecordsConfig, ShardCounts
from pipeline.views.paint import paint_view
from tests.beam_jobs.image_source import write_images
from tests.beam_jobs.one_entry import build_one

COLLAGE = Collage(size=64, object_size=(14, 22), objects=(1, 2))
LETTERBOX = Letterbox(size=64)
OF_DIGITS = RecordsConfig(
    source="digits",
    anchors=presets.IMPROVED_ANCHORS,
    matching=presets.IMPROVED_MATCHING,
    collage=COLLAGE,
    shards=ShardCounts(train=2, val=1, test=1),
    views=2,
)
OF_IMAGES = replace(OF_DIGITS, source="images", collage=None, letterbox=LETTERBOX, val_fraction=0.3)
# What decides which canvas a key stands for. Every other setting is one of training.
COMPOSITION_DECIDES = {
    Collage: {"size", "object_size", "objects", "max_overlap"},
    Letterbox: {"size", "image_side"},  # it scales the stored images of all splits
}
RECORDS_DECIDE = {"source", "seed", "val_fraction", "limit"}
CROPS = [
    Crop(zoom_out=(1.0, 2.0)),
    Crop(min_ious=()),
    Crop(sides=(0.5, 0.9)),
    Crop(aspect_ratios=(1.0, 1.0)),
]
COMPOSITIONS: dict[str, list[Any]] = {
    "collage": [replace(COLLAGE, flip=True)],
    "letterbox": [replace(LETTERBOX, flip=False), replace(LETTERBOX, crop=None)]
    + [replace(LETTERBOX, crop=crop) for crop in CROPS],
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
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Digits, and images with boxes of their own, by the composition that they are for."""
    images = write_images(Path(tmp_path_factory.mktemp("images")), 60)
    return {"collage": Digits.prepare(DataPaths()), "letterbox": images}


def canvases(config: RecordsConfig, source: Source) -> Canvases:
    """By key: pixels, boxes and labels of some canvases of val and test."""
    builder = RecordBuilder(config, source)
    found = {}
    for item in list(source.items())[:200]:
        if record_split(config, source, item) != "train":
            for _, entry in entries_of(config, source, item):
                record = build_one(builder, entry).record
                (view,) = record.views
                assert builder.composer.boxes(entry).tobytes() == view.boxes.tobytes()
                canvas = paint_view(record.image(), view.view, size=64)
                found[entry.key] = (canvas.tobytes(), view.boxes.tobytes(), view.labels.tolist())
    return found


def test_every_setting_either_decides_the_canvas_or_is_tried_here() -> None:
    fields = {f.name for f in dataclasses.fields(RecordsConfig)}
    assert fields == RECORDS_DECIDE | set(OTHERS) | {"collage", "letterbox"}
    for of, decide in COMPOSITION_DECIDES.items():
        plain = {Collage: COLLAGE, Letterbox: LETTERBOX}[of]
        tried = {
            f.name
            for f in dataclasses.fields(of)
            for c in COMPOSITIONS[of.__name__.lower()]
            if getattr(c, f.name) != getattr(plain, f.name)
        }
        assert {f.name for f in dataclasses.fields(of)} == decide | tried
    assert all(any(getattr(crop, f.name) != f.default for crop in CROPS) for f in dataclasses.fields(Crop))


@pytest.mark.parametrize("plain", [OF_DIGITS, OF_IMAGES], ids=["collage", "letterbox"])
def test_canvases_of_evaluation_do_not_depend_on(plain: RecordsConfig, sources: dict[str, Source]) -> None:
    kind = "collage" if plain.collage else "letterbox"
    expected = canvases(plain, sources[kind])
    assert len(expected) > 20 and {key.partition("/")[0] for key in expected} == {"val", "test"}
    changes = [*OTHERS.items(), *((kind, composition) for composition in COMPOSITIONS[kind])]
    for setting, value in changes:
        assert canvases(replace(plain, **{setting: value}), sources[kind]) == expected, f"{setting} {value}"


@pytest.mark.parametrize("plain", [OF_DIGITS, OF_IMAGES], ids=["collage", "letterbox"])
def test_training_canvases_do(plain: RecordsConfig, sources: dict[str, Source]) -> None:
    """The opposite, so that the tests above cannot pass by comparing nothing."""
    kind = "collage" if plain.collage else "letterbox"
    source = sources[kind]
    config = replace(plain, views=8)
    item = next(i for i in source.items() if record_split(config, source, i) == "train")

    def layouts(config: RecordsConfig) -> list[bytes]:
        """All views of a training image, with its pixels."""
        _, entry = next(entries_of(config, source, item))
        record = build_one(RecordBuilder(config, source), entry).record
        return [paint_view(record.image(), view.view, size=64).tobytes() for view in record.views]

    assert len(set(layouts(config))) > 4
    seen = {b"".join(layouts(replace(config, **{kind: c}))) for c in (config.composition, *COMPOSITIONS[kind])}
    assert len(seen) == 1 + len(COMPOSITIONS[kind])


def test_training_images_of_a_collage_are_mirrored_when_they_are_composed(sources: dict[str, Source]) -> None:
    item = next(i for i in sources["collage"].items() if record_split(OF_DIGITS, sources["collage"], i) == "train")
    images = []
    for flip in (False, True):
        config = replace(OF_DIGITS, collage=replace(COLLAGE, flip=flip), copies=8)
        builder = RecordBuilder(config, sources["collage"])
        images.append(
            [build_one(builder, entry).record.encoded for _, entry in entries_of(config, sources["collage"], item)]
        )
    assert images[0] != images[1]


def test_baseline_and_improved_are_evaluated_on_the_same_canvases() -> None:
    small, baseline = (load_config(name).records for name in ("cifar10_small", "cifar10_small_baseline"))
    assert small.collage is not None and baseline.collage is not None
    assert replace(small.collage, flip=False) == replace(baseline.collage, flip=False)
    assert (small.seed, small.val_fraction) == (baseline.seed, baseline.val_fraction)
