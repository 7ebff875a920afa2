"""Ground truth and detections as COCO JSON, and COCO's twelve metrics by name."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.views.collage import Picture

METRICS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)


@dataclass(frozen=True)
class DetectedPicture:
    """A picture with its ground truth and its detections. Boxes are corners, [ymin, xmin, ymax, xmax] in [0, 1]."""

    key: str
    picture: Picture  # uint8 [H, W, 3]
    boxes: NDArray[np.float32]  # [G, 4]
    labels: NDArray[np.int64]  # [G] from 0
    detected_boxes: NDArray[np.float32]  # [D, 4]
    detected_classes: NDArray[np.int32]  # [D] from 0
    scores: NDArray[np.float32]  # [D]


class CocoResults:
    """Collects pictures with ground truth and detections. Every picture counts, with or without either.

    Ids of pictures, annotations and categories start at 1, because COCO's evaluation reads an annotation id of 0 as
    "not matched". Boxes are x, y, width, height in pixels.
    """

    def __init__(self, class_names: tuple[str, ...], canvas_size: int, *, keep: int = 0) -> None:
        self.canvas_size = canvas_size
        self.keep = keep
        self.pictures: list[DetectedPicture] = []  # the first `keep`
        self.detections: list[dict[str, Any]] = []
        self.ground_truth: dict[str, Any] = {
            "info": {"description": "prematch"},
            "images": [],
            "annotations": [],
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(class_names)],
        }

    def add(self, shown: DetectedPicture) -> None:
        """Adds a picture. The key of its record becomes the file name."""
        if len(self.pictures) < self.keep:
            self.pictures.append(shown)
        image = len(self.ground_truth["images"]) + 1
        size = self.canvas_size
        self.ground_truth["images"].append({"id": image, "file_name": shown.key, "height": size, "width": size})
        annotations = self.ground_truth["annotations"]
        for box, label in zip(self._pixels(shown.boxes), shown.labels.tolist(), strict=True):
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": label + 1, "bbox": box}
            annotations.append({**annotation, "area": box[2] * box[3], "iscrowd": 0})
        boxes, classes, scores = self._pixels(shown.detected_boxes), shown.detected_classes, shown.scores
        for box, label, score in zip(boxes, classes.tolist(), scores.tolist(), strict=True):
            detection = {"image_id": image, "category_id": label + 1, "bbox": box, "score": score}
            self.detections.append(detection)

    def metrics(self) -> dict[str, float]:
        """The twelve metrics. As in COCO, -1 means that there is no ground truth of that size."""
        if not self.detections:
            return self._metrics_of_nothing()
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = self.ground_truth
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(self.detections), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return dict(zip(METRICS, (float(value) for value in evaluation.stats), strict=True))

    def _metrics_of_nothing(self) -> dict[str, float]:
        """What COCO's evaluation would give without any detection: it refuses an empty list."""
        areas = [annotation["area"] for annotation in self.ground_truth["annotations"]]
        ranges = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf), "": (0, np.inf)}
        there = {name: any(low <= area <= high for area in areas) for name, (low, high) in ranges.items()}
        return {m: 0.0 if there[m.partition("_")[2]] else -1.0 for m in METRICS}

    def _pixels(self, corners: NDArray[np.float32]) -> list[list[float]]:
        scaled = np.asarray(corners, np.float64).reshape(-1, 4) * self.canvas_size
        low, high = scaled[:, 1::-1], scaled[:, :1:-1]  # x before y
        return [[round(value, 3) for value in box] for box in np.concatenate([low, high - low], axis=1).tolist()]
