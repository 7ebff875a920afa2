"""The evaluation's detections and the user's own annotation file give pycocotools the figures of the evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from beam_jobs.sources import make_source
from beam_jobs.sources.data_paths import DataPaths
from model.detection.coco import METRICS, CocoResults, DetectedImage
from model.detection.decoding import Detections
from model.detection.evaluator import Evaluator, find_source_frame
from model.network.ssd import NetworkShape
from pipeline.compositions.letterbox import Letterbox
from pipeline.config.presets import IMPROVED_DECODE
from pipeline.reader.dataset import read_evaluation_batches
from pipeline.records.manifest import load_manifest
from tests.beam_jobs.record_job import IMAGES, make_set
from tests.beam_jobs.sources.detection_sets import made_set, write_coco
from tests.model import tiny
from tests.model.detection.test_coco_metrics import COCO_TINY, by_pycocotools


def test_pycocotools_takes_the_users_own_annotation_file(tmp_path: Path) -> None:
    paths = write_coco(tmp_path / "set", made_set(test=12))
    annotation_file = tmp_path / "set" / "test" / "_annotations.coco.json"
    content = json.loads(annotation_file.read_text())
    content["annotations"][4]["iscrowd"] = 1
    content["annotations"][0]["id"] = 9999  # pycocotools counts an object whose annotation has the id 0 as missed
    annotation_file.write_text(json.dumps(content))
    make_set(tmp_path / "records", IMAGES, source=make_source("coco", paths))
    manifest = load_manifest(str(tmp_path / "records"))
    shape = NetworkShape(manifest.canvas, manifest.config.anchors.strides, manifest.anchors, len(manifest.class_names))
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    shown = evaluator.evaluate(manifest, "test", batch=4, keep=12).images
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


@pytest.mark.long
@pytest.mark.skipif(not COCO_TINY.is_dir(), reason="the images of COCO are not there")
def test_what_the_records_of_coco_say_as_detections_is_perfect(tmp_path: Path) -> None:
    """From the user's files through letterbox, records and back to the images' own pixels."""
    paths = DataPaths(
        annotations=str(COCO_TINY / "annotations/instances_train2017.json"),
        images=str(COCO_TINY / "train2017"),
        test_annotations=str(COCO_TINY / "annotations/instances_val2017.json"),
        test_images=str(COCO_TINY / "val2017"),
    )
    config = replace(IMAGES, source="coco", composition=Letterbox(canvas=(320, 320)), image_format="jpeg", views=1)
    make_set(tmp_path, config, source=make_source("coco", paths), max_rejected=0.01)
    manifest = load_manifest(str(tmp_path))
    results = CocoResults(manifest.class_names, (320, 320), category_ids=manifest.category_ids)
    for images, truth in read_evaluation_batches(manifest, "test", batch=16):
        for k in range(len(images)):
            boxes, labels = truth["boxes"][k].numpy(), truth["labels"][k].numpy()
            scores = np.ones(len(boxes), np.float32)
            key = truth["keys"][k].numpy().decode()
            image = DetectedImage(key, images[k].numpy(), boxes, labels, boxes, labels, scores)
            results.add(image, find_source_frame(truth, k, manifest))
    metrics = results.metrics()
    assert {name: round(metrics[name], 3) for name in METRICS if name.startswith("AP")} == dict.fromkeys(
        (name for name in METRICS if name.startswith("AP")), 1.0
    )
    by_own_file = by_pycocotools(
        json.loads((COCO_TINY / "annotations/instances_val2017.json").read_text()), results.detections
    )
    assert metrics == pytest.approx(by_own_file, abs=1e-9)
