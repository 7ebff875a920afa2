"""COCO's metrics equal pycocotools'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model.detection.coco import METRICS, compute_metrics

COCO_TINY = Path(__file__).resolve().parents[4] / "shared" / "data" / "coco_tiny"
Json = dict[str, Any]


def by_pycocotools(truth: Json, detections: list[Json]) -> dict[str, float]:
    found = COCO()
    found.dataset = json.loads(json.dumps(truth))
    found.createIndex()
    evaluation = COCOeval(found, found.loadRes(json.loads(json.dumps(detections))), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return dict(zip(METRICS, evaluation.stats.tolist(), strict=True))


def random_set(seed: int) -> tuple[Json, list[Json]]:
    """Images with and without objects and detections; crowds, areas of every size, equal scores, ids with gaps."""
    bits = np.random.default_rng(seed)
    images = [int(i) for i in bits.permutation(1000)[:40]]
    categories = [int(i) for i in bits.permutation(100)[: bits.integers(1, 6)]]
    annotations: list[Json] = []
    detections: list[Json] = []

    def box() -> list[float]:
        side = 2.0 ** bits.uniform(2, 8, 2)
        return [float(v) for v in np.concatenate([bits.uniform(0, 300, 2), side]).round(2)]

    for image in images:
        for _ in range(bits.integers(0, 12)):
            place = {"image_id": image, "category_id": int(bits.choice(categories))}
            x, y, width, height = box()
            annotations.append(
                {
                    **place,
                    "id": len(annotations) + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height * float(bits.choice([0.6, 1.0])),
                    "iscrowd": int(bits.random() < 0.1),
                }
            )
            for _ in range(bits.integers(0, 3)):
                near = (np.array([x, y, width, height]) * bits.normal(1, 0.06, 4)).round(3)
                detections.append({**place, "bbox": near.tolist(), "score": float(bits.integers(0, 20) / 20)})
        for _ in range(bits.integers(0, 120)):  # over 100 in some images
            place = {"image_id": image, "category_id": int(bits.choice(categories))}
            detections.append({**place, "bbox": box(), "score": float(bits.integers(0, 20) / 20)})
    truth = {
        "images": [{"id": image, "height": 400, "width": 400} for image in images],
        "annotations": annotations,
        "categories": [{"id": i, "name": str(i)} for i in categories],
    }
    return truth, detections


@pytest.mark.parametrize("seed", range(8))
def test_random_sets_give_the_figures_of_pycocotools(seed: int) -> None:
    truth, detections = random_set(seed)
    before = json.dumps([truth, detections])
    metrics = compute_metrics(truth, detections)
    assert json.dumps([truth, detections]) == before
    assert tuple(metrics) == METRICS and 0 < metrics["AP"] < 1
    assert metrics == pytest.approx(by_pycocotools(truth, detections), abs=1e-9)


def test_ids_of_images_may_be_text_and_numbers() -> None:
    truth, detections = random_set(0)
    expected = compute_metrics(truth, detections)
    # The order of the numbers, so that detections of equal score stay in their order.
    texts = {image["id"]: f"{image['id']:04d}" for image in truth["images"]}
    for rows, field in ((truth["images"], "id"), (truth["annotations"], "image_id"), (detections, "image_id")):
        for row in rows:
            row[field] = texts[row[field]] if row[field] > 500 else row[field]
    assert compute_metrics(truth, detections) == expected


@pytest.mark.skipif(not COCO_TINY.is_dir(), reason="the images of COCO are not there")
@pytest.mark.parametrize("part", ["train2017", "val2017"])
def test_cocos_ground_truth_as_its_own_detections_is_perfect(part: str) -> None:
    truth = json.loads((COCO_TINY / "annotations" / f"instances_{part}.json").read_text())
    fields = ("image_id", "category_id", "bbox")
    rows = [row for row in truth["annotations"] if not row["iscrowd"]]
    detections = [{**{field: row[field] for field in fields}, "score": 1.0} for row in rows]
    metrics = compute_metrics(truth, detections)
    assert metrics == pytest.approx(by_pycocotools(truth, detections), abs=1e-9)
    assert all(metrics[name] == pytest.approx(1.0) for name in METRICS if name.startswith("AP"))
