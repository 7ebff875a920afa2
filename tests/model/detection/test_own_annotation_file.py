"""The evaluation's detections and the user's own annotation file give pycocotools the figures of the evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from beam_jobs.sources import make_source
from model.detection.decoding import Detections
from model.detection.evaluator import Evaluator
from model.network.ssd import NetworkShape
from pipeline.config.presets import IMPROVED_DECODE
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import PICTURES, make_set
from tests.beam_jobs.sources.detection_sets import made_set, write_coco
from tests.model import tiny
from tests.model.detection.test_coco_metrics import by_pycocotools


def test_pycocotools_takes_the_users_own_annotation_file(tmp_path: Path) -> None:
    paths = write_coco(tmp_path / "set", made_set(test=12))
    annotation_file = tmp_path / "set" / "test" / "_annotations.coco.json"
    content = json.loads(annotation_file.read_text())
    content["annotations"][4]["iscrowd"] = 1
    content["annotations"][0]["id"] = 9999  # pycocotools counts an object whose annotation has the id 0 as missed
    annotation_file.write_text(json.dumps(content))
    make_set(tmp_path / "records", PICTURES, source=make_source("coco", paths))
    manifest = load_manifest(str(tmp_path / "records"))
    shape = NetworkShape(
        manifest.canvas_size, manifest.config.anchors.strides, manifest.anchors, len(manifest.class_names)
    )
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    shown = evaluator.evaluate(manifest, "test", batch=4, pictures=12).pictures
    assert len(shown) == 12
    bits = np.random.default_rng(0)
    waiting = iter(shown)

    def detect(images: tf.Tensor) -> Detections:
        """Near every object, one in four of another class; and five boxes anywhere."""
        boxes, classes, counts = np.zeros((len(images), 20, 4), np.float32), np.zeros((len(images), 20), np.int32), []
        scores = np.sort(bits.random((len(images), 20)).astype(np.float32))[:, ::-1]
        for k in range(len(images)):
            truth = next(waiting)
            others = np.sort(bits.random((5, 2, 2)), axis=1).reshape(5, 4)
            found = np.concatenate([truth.boxes + bits.normal(0, 0.01, truth.boxes.shape), others])
            labels = np.concatenate([truth.labels, bits.integers(0, 3, 5)])
            labels[bits.random(len(labels)) < 0.25] = 0
            boxes[k, : len(found)], classes[k, : len(found)] = found.clip(0, 1), labels
            counts.append(len(found))
        parts = boxes, classes, scores, np.array(counts, np.int32)
        return Detections(**dict(zip(("boxes", "classes", "scores", "counts"), map(tf.constant, parts), strict=True)))

    evaluator.detect = detect
    results = evaluator.evaluate(manifest, "test", batch=4)
    metrics = results.metrics()
    assert 0.1 < metrics["AP50"] < 0.95
    by_own_file = by_pycocotools(json.loads(annotation_file.read_text()), results.detections)
    assert metrics == pytest.approx(by_own_file, abs=1e-9)
