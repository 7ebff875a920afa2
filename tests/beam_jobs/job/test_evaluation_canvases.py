"""Canvases of val and test do not depend on settings of training, so that these settings can be compared."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from beam_jobs.job.entries import entries_of, record_split
from beam_jobs.job.record_builder import RecordBuilder
from beam_jobs.sources.digits import Digits
from configs import load_config
from pipeline.config import presets
from pipeline.config.records_config import CanvasConfig, MatchingConfig, RecordsConfig, ShardCounts

CANVAS = CanvasConfig(size=64, object_size=(14, 22), objects=(1, 2))
CONFIG = RecordsConfig(
    source="digits",
    anchors=presets.IMPROVED_ANCHORS,
    matching=presets.IMPROVED_MATCHING,
    canvas=CANVAS,
    shards=ShardCounts(train=2, val=1, test=1),
)
# What decides which canvas a key stands for. Every other setting is one of training.
CANVAS_DECIDES = {"size", "object_size", "objects", "max_overlap"}
RECORDS_DECIDE = {"source", "seed", "val_fraction", "limit"}
OTHERS: dict[str, Any] = {
    "anchors": presets.BASELINE_ANCHORS,
    "matching": MatchingConfig(positive_iou=0.3, ignore_iou=0.2),
    "canvas": replace(CANVAS, flip=True),
    "shards": ShardCounts(train=3, val=2, test=2),
    "copies": 3,
    "picture_format": "png",
}


def canvases(config: RecordsConfig) -> dict[str, tuple[bytes, bytes, list[int]]]:
    """By key: pixels, boxes and labels of some canvases of val and test."""
    source = Digits.prepare(None)
    builder = RecordBuilder(config, source)
    found = {}
    for item in source.items()[:200]:
        if record_split(config, item) != "train":
            for _, entry in entries_of(config, item):
                record = builder.build(entry).record
                assert builder.boxes(entry).tobytes() == record.boxes.tobytes()
                found[entry.key] = (record.picture().tobytes(), record.boxes.tobytes(), record.labels.tolist())
    return found


def test_every_setting_either_decides_the_canvas_or_is_tried_here() -> None:
    assert {f.name for f in dataclasses.fields(RecordsConfig)} == RECORDS_DECIDE | set(OTHERS)
    assert {f.name for f in dataclasses.fields(CanvasConfig)} == CANVAS_DECIDES | {"flip"}


@pytest.mark.parametrize("setting", OTHERS)
def test_canvases_of_evaluation_do_not_depend_on(setting: str) -> None:
    plain = canvases(CONFIG)
    assert len(plain) > 30 and {key.partition("/")[0] for key in plain} == {"val", "test"}
    assert canvases(replace(CONFIG, **{setting: OTHERS[setting]})) == plain


def test_training_canvases_do_flip() -> None:
    """The opposite, so that the tests above cannot pass by comparing nothing."""
    item = next(i for i in Digits.prepare(None).items() if record_split(CONFIG, i) == "train")
    pictures = []
    for flip in (False, True):
        config = replace(CONFIG, canvas=replace(CANVAS, flip=flip), copies=8)
        builder = RecordBuilder(config, Digits.prepare(None))
        pictures.append([builder.build(entry).record.picture().tobytes() for _, entry in entries_of(config, item)])
    assert pictures[0] != pictures[1]


def test_baseline_and_improved_are_evaluated_on_the_same_canvases() -> None:
    small, baseline = (load_config(name).records for name in ("cifar10_small", "cifar10_small_baseline"))
    assert replace(small.canvas, flip=False) == replace(baseline.canvas, flip=False)
    assert (small.seed, small.val_fraction) == (baseline.seed, baseline.val_fraction)
