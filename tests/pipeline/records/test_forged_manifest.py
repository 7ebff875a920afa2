"""Manifests with an honest checksum whose fields cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.records import manifest as manifests
from pipeline.records.manifest import MANIFEST, parse_manifest
from pipeline.typed_json import canonical_json, checksum
from tests.pipeline.records.altered_manifest import Values, refusal, remover, setter
from tests.record_sets import rewrite_manifest

pytestmark = pytest.mark.any_stack

FORGED = [
    *[(remover(path), path.rpartition(".")[2]) for path in (
        "versions", "category_ids", "config", "config.seed", "config.views", "config.letterbox", "config.collage.flip",
        "statistics.train.views", "statistics.train.most_boxes", "statistics.train.least_height",
        "shards.train.0.bytes", "shards.val",
        "statistics.val", "statistics.test.boxes", "rejected.sha256", "anchors.fingerprint", "matching.ignore_iou",
    )],
    *[(setter(path, value), named) for path, value, named in (
        ("note", 1, "must have no field 'note'"),
        ("config.note", 1, "config must have no field 'note'"),
        ("config.seed", 10**300, "records.seed"),
        ("config.seed", 2**63, "records.seed"),
        ("config.copies", 10**18, "records.copies"),
        ("config.collage.size", 10**6, "collage.size"),
        ("config.collage.size", 65, "anchors"),
        ("config.views", 0, "records.views"),
        ("config.views", 10**6, "records.views"),
        ("config.views", 2, "statistics.train.views"),
        ("config.letterbox", {"size": 64, "image_side": 64, "crop": None, "flip": True}, "got 'both'"),
        ("config.collage", None, "records must be either a collage or a letterbox, got 'neither'"),
        ("config.collage.object_size", [16, 65], "collage.object_size"),
        ("config.collage.max_overlap", 1e300, "collage.max_overlap"),
        ("config.source", "a\0b", "config.source"),
        ("config.anchors.strides", [], "anchors.strides"),
        ("config.anchors.strides.0", 10**300, "anchors.strides"),
        ("config.anchors.strides.0", 16, "anchors.feature_maps"),
        ("config.anchors.scales.0", 1e300, "anchors.scales"),
        ("config.anchors.scales.0", True, "config.anchors.scales[0]"),
        ("config.anchors.scale_after_last", -1.0, "anchors.scale_after_last"),
        ("config.shards.train", 4, "shards.train"),
        ("config.shards.train", 2.0, "config.shards.train"),
        ("anchors.fingerprint", "0", "fingerprint"),
        ("anchors.feature_maps", [], "feature_maps"),
        ("anchors.feature_maps.0.size", [30_000, 30_000], "feature_maps.size"),
        ("anchors.feature_maps.0.size", [-3, 4], "feature_maps.size"),
        ("anchors.feature_maps.0.size", [4096, 4096], "feature_maps"),
        ("anchors.feature_maps.0.size", [8], "anchors.feature_maps[0].size"),
        ("anchors.feature_maps.0.boxes", [[0.1, 0.1]] * 10_000, "feature_maps.boxes"),
        ("anchors.feature_maps.0.boxes.0", [1e300, 1e300], "feature_maps.boxes"),
        ("anchors.feature_maps.0.boxes.0", [0.0, 0.1], "feature_maps.boxes"),
        ("matching.positive_iou", 0.51, "matching"),
        ("matching.ignore_iou", "0.4", "matching.ignore_iou"),
        ("class_names", None, "class_names"),
        ("class_names", [], "class_names"),
        ("class_names", ["x"] * 20_000, "class_names"),
        ("class_names", ["red", "green"], "statistics.train.boxes_per_class"),
        ("class_names.0", 3, "class_names[0]"),
        ("class_names.0", "", "class_names[0]"),
        ("class_names.0", "a\0", "class_names[0]"),
        ("class_names.0", "a\x1b[2J", "class_names[0]"),
        ("class_names.0", "a\n", "class_names[0]"),
        ("class_names.0", "x" * 10_000, "class_names[0]"),
        ("category_ids", [1, 2], "category_ids must be 3 different numbers, one for each class, got 2"),
        ("category_ids", [1, 2, 2], "category_ids must be 3 different numbers"),
        ("category_ids", [1, 2, -3], "category_ids[2]"),
        ("category_ids", ["1", "2", "3"], "category_ids[0]"),
        ("category_ids", 3, "category_ids"),
        ("shards", [], "shards"),
        ("shards.train", [], "shards.train"),
        ("shards.train.0", [], "shards.train[0]"),
        ("shards.train.0.more", 1, "shards.train[0]"),
        ("shards.train.0.name", "../elsewhere.tfrecord", "shards.train[0].name"),
        ("shards.train.0.name", "a\0b.tfrecord", "shards.train[0].name"),
        ("shards.train.0.name", "another.tfrecord", "shards.train[0].name"),
        ("shards.train.0.bytes", -1, "shards.train[0].bytes"),
        ("shards.train.0.bytes", 10**300, "shards.train[0].bytes"),
        ("shards.train.0.examples", 10**15, "examples of train-"),
        ("shards.train.0.examples", 2, "statistics.train.examples"),
        ("shards.train.0.sha256", "0", "shards.train[0].sha256"),
        ("fingerprint", "0\n", "fingerprint"),
        ("fingerprint", "0", "shards.train[0].name"),
        ("statistics", {}, "statistics"),
        ("statistics.train", {}, "statistics.train"),
        ("statistics.train.boxes", -1, "statistics.train.boxes"),
        ("statistics.train.boxes", 1e300, "statistics.train.boxes"),
        ("statistics.train.boxes_per_class", [], "statistics.train.boxes_per_class"),
        ("statistics.train.best_iou_histogram", [0] * 19, "statistics.train.best_iou_histogram"),
        ("statistics.train.positives_per_map", [0] * 7, "statistics.train.positives_per_map"),
        ("statistics.train.positives_per_map", [1] * 6, "statistics.train.positives_per_map"),
        ("statistics.train.boxes_without_anchor", 10**9, "statistics.train.boxes_without_anchor"),
        ("statistics.train.views", 4, "statistics.train.views"),
        ("statistics.train.objects", 10**9, "statistics.train.objects"),
        ("statistics.train.most_height", 65, "statistics.train.most_height must be at most 64, as in config, got 65"),
        ("statistics.val.most_width", 65, "statistics.val.most_width must be at most 64, as in config, got 65"),
        ("statistics.train.most_height", 10**6, "statistics.train.most_height must be at most 65500"),
        ("statistics.train.least_height", 65, "statistics.train.least_height"),
        ("statistics.test.least_width", 65, "statistics.test.least_width"),
        ("statistics.train.least_width", -1, "statistics.train.least_width"),
        ("statistics.train.most_boxes", 10**9, "statistics.train.most_boxes"),
        ("statistics.train.most_positives", 10**9, "statistics.train.most_positives"),
        ("statistics.train.most_ignored", 10**9, "statistics.train.most_ignored"),
        ("rejected", {}, "rejected"),
        ("rejected.images", "0", "rejected.images"),
        ("rejected.file", "/etc/passwd", "rejected.file"),
        ("versions", {"numpy": 2}, "versions"),
        ("versions", {"nu\0mpy": "2"}, "versions"),
    )],
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), FORGED, ids=[f"{n}-{named}" for n, (_, named) in enumerate(FORGED)])
def test_a_forged_manifest_is_one_line_that_names_the_field(
    folder: Path, change: Callable[[Values], object], named: str
) -> None:
    rewrite_manifest(folder, change)
    message = refusal(folder)
    assert message.startswith((f"{folder / MANIFEST}: ", f"{folder / MANIFEST} must have "))
    assert named in message and message.endswith("; run its `make records` command again")


def test_nothing_large_is_computed_before_the_limits_are_checked(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    values = json.loads((whole / MANIFEST).read_text())
    del values["checksum"]
    values["anchors"]["feature_maps"][0]["size"] = [30_000, 30_000]
    monkeypatch.setattr(manifests, "make_anchors", lambda *_: pytest.fail("anchors were made"))
    text = canonical_json({**values, "checksum": checksum(values)}).encode()
    assert "feature_maps.size" in refusal(whole, lambda: parse_manifest(text, folder="records"))
