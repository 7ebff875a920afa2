"""Ground truth and detections as COCO JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.detection.coco_metrics import coco_metrics
from model.detection.image_ids import ImageIds, ImageRows
from pipeline.compositions.composition import GroundTruth
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape, View, boxes_in_image
from pipeline.geometry.boxes import Array, areas, corners_to_xywh
from pipeline.records.keys import is_first_copy, source_id_of


@dataclass(frozen=True)
class DetectedImage:
    """An image with its ground truth and its detections. Boxes are corners, [ymin, xmin, ymax, xmax] in [0, 1]."""

    key: str
    image: RgbImage  # uint8 [H, W, 3]
    boxes: NDArray[np.float32]  # [G, 4]
    labels: NDArray[np.int64]  # [G] from 0
    detected_boxes: NDArray[np.float32]  # [D, 4]
    detected_classes: NDArray[np.int32]  # [D] from 0
    scores: NDArray[np.float32]  # [D]


@dataclass(frozen=True)
class SourceFrame:
    """A source's image with its objects, and how it lies on the canvas: detections are evaluated in its own pixels."""

    view: View  # shows the whole image, in the source's own pixels
    truth: GroundTruth
    image_id: int | str | None = None  # the source's id of the image, if it has one


class CocoResults:
    """Collects images with ground truth and detections. Every image counts, with or without either.

    Boxes are x, y, width, height in pixels: of the source's image if it is shown whole on the canvas, else of the
    canvas. Image and category ids are the source's own if it has any, and otherwise start at 1. Of the copies of
    an image, only the first has the source's id. Annotation ids always start at 1, because COCO's evaluation reads an
    annotation id of 0 as "not matched".
    """

    def __init__(
        self,
        class_names: tuple[str, ...],
        canvas: Shape,
        *,
        category_ids: tuple[int, ...] | None = None,
        keep: int = 0,
    ) -> None:
        self.canvas = canvas
        self.category_ids = category_ids or tuple(range(1, len(class_names) + 1))
        self.keep = keep
        self.images: list[DetectedImage] = []  # the first `keep`
        self.detections: list[dict[str, Any]] = []
        self._ids = ImageIds()
        self.ground_truth: dict[str, Any] = {
            "info": {"description": "prematch"},
            "images": [],
            "annotations": [],
            "categories": [{"id": i, "name": name} for i, name in zip(self.category_ids, class_names, strict=True)],
        }

    def add(self, shown: DetectedImage, frame: SourceFrame | None = None) -> None:
        """Adds an image. Its file name is the source's name for it, or else the key of its record.

        Args:
            shown: the canvas, with what was detected there.
            frame: the source's image, if it is shown whole on the canvas.

        Raises `UserError` if another image has the source's id of this one.
        """
        if len(self.images) < self.keep:
            self.images.append(shown)
        own: int | str | None = None
        name, (height, width) = shown.key, self.canvas
        if frame is not None:
            name, height, width = source_id_of(shown.key), frame.view.shown.height, frame.view.shown.width
            own = frame.image_id if is_first_copy(shown.key) else None
        row = {"id": own, "file_name": name, "height": height, "width": width}
        truth = self._canvas_truth(shown) if frame is None else frame.truth
        annotations: list[dict[str, Any]] = []
        first = len(self.ground_truth["annotations"]) + 1
        ignored = (~truth.is_target).tolist()
        rows = zip(coco_boxes(truth.corners), truth.labels.tolist(), truth.area.tolist(), ignored, strict=True)
        for box, label, area, crowd in rows:
            annotation = {"id": first + len(annotations), "image_id": own, "category_id": self.category_ids[label]}
            annotations.append({**annotation, "bbox": box, "area": area, "iscrowd": int(crowd)})
        corners = self._on_canvas(shown.detected_boxes)
        kept = np.arange(len(corners))
        if frame is not None:
            corners, kept = boxes_in_image(frame.view, shown.detected_boxes, canvas=self.canvas)
        classes, scores = shown.detected_classes[kept], shown.scores[kept]
        detections: list[dict[str, Any]] = [
            {"image_id": own, "category_id": self.category_ids[label], "bbox": box, "score": score}
            for box, label, score in zip(coco_boxes(corners.round(3)), classes.tolist(), scores.tolist(), strict=True)
        ]
        self._ids.give(ImageRows(row, annotations + detections), own)
        self.ground_truth["images"].append(row)
        self.ground_truth["annotations"] += annotations
        self.detections += detections

    def _canvas_truth(self, shown: DetectedImage) -> GroundTruth:
        """The ground truth in pixels of the canvas."""
        corners = self._on_canvas(shown.boxes).round(3)
        no = np.zeros(len(corners), bool)
        return GroundTruth(corners, shown.labels, crowd=no, difficult=no, ignored=no, area=areas(corners))

    def _on_canvas(self, corners: NDArray[np.float32]) -> Array:
        """Corners in [0, 1], [N, 4], as pixels of the canvas."""
        return (np.asarray(corners, np.float64).reshape(-1, 2, 2) * self.canvas).reshape(-1, 4)

    def metrics(self) -> dict[str, float]:
        """The twelve metrics. As in COCO, -1 means that there is no ground truth of that size."""
        return coco_metrics(self.ground_truth, self.detections)


def coco_boxes(corners: Array) -> list[list[float]]:
    """Corners [G, 4] as a list of [x, y, width, height] in the same unit, rounded to 9 decimals."""
    boxes: list[list[float]] = corners_to_xywh(corners).round(9).tolist()
    return boxes
