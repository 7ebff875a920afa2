"""Ground truth and detections as COCO JSON, and COCO's twelve figures of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from pipeline.compositions.composition import GroundTruth
from pipeline.compositions.resize import RgbImage
from pipeline.compositions.view import Shape, View, move_boxes_to_image
from pipeline.errors import UserError, show_value
from pipeline.geometry.boxes import Array, areas, corners_to_xywh
from pipeline.records.keys import is_first_copy, parse_source_id

METRICS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)


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

    def add(self, image: DetectedImage, frame: SourceFrame | None = None) -> None:
        """Adds an image. Its file name is the source's name for it, or else the key of its record.

        Args:
            image: the canvas, with what was detected there.
            frame: the source's image, if it is shown whole on the canvas.

        Raises `UserError` if another image has the source's id of this one.
        """
        if len(self.images) < self.keep:
            self.images.append(image)
        own: int | str | None = None
        name, (height, width) = image.key, self.canvas
        if frame is not None:
            name, height, width = parse_source_id(image.key), frame.view.shown.height, frame.view.shown.width
            own = frame.image_id if is_first_copy(image.key) else None
        row = {"id": own, "file_name": name, "height": height, "width": width}
        truth = self._canvas_truth(image) if frame is None else frame.truth
        annotations: list[dict[str, Any]] = []
        first = len(self.ground_truth["annotations"]) + 1
        ignored = (~truth.is_target).tolist()
        rows = zip(make_coco_boxes(truth.corners), truth.labels.tolist(), truth.area.tolist(), ignored, strict=True)
        for box, label, area, crowd in rows:
            annotation = {"id": first + len(annotations), "image_id": own, "category_id": self.category_ids[label]}
            annotations.append({**annotation, "bbox": box, "area": area, "iscrowd": int(crowd)})
        corners = self._on_canvas(image.detected_boxes)
        kept = np.arange(len(corners))
        if frame is not None:
            corners, kept = move_boxes_to_image(frame.view, image.detected_boxes, canvas=self.canvas)
        classes, scores = image.detected_classes[kept], image.scores[kept]
        detections: list[dict[str, Any]] = [
            {"image_id": own, "category_id": self.category_ids[label], "bbox": box, "score": score}
            for box, label, score in zip(
                make_coco_boxes(corners.round(3)), classes.tolist(), scores.tolist(), strict=True
            )
        ]
        self._ids.give(ImageRows(row, annotations + detections), own)
        self.ground_truth["images"].append(row)
        self.ground_truth["annotations"] += annotations
        self.detections += detections

    def _canvas_truth(self, image: DetectedImage) -> GroundTruth:
        """The ground truth in pixels of the canvas."""
        corners = self._on_canvas(image.boxes).round(3)
        no = np.zeros(len(corners), bool)
        return GroundTruth(corners, image.labels, crowd=no, difficult=no, ignored=no, area=areas(corners))

    def _on_canvas(self, corners: NDArray[np.float32]) -> Array:
        """Corners in [0, 1], [N, 4], as pixels of the canvas."""
        return (np.asarray(corners, np.float64).reshape(-1, 2, 2) * self.canvas).reshape(-1, 4)

    def metrics(self) -> dict[str, float]:
        """The twelve metrics. As in COCO, -1 means that there is no ground truth of that size."""
        return compute_metrics(self.ground_truth, self.detections)


def make_coco_boxes(corners: Array) -> list[list[float]]:
    """Corners [G, 4] as a list of [x, y, width, height] in the same unit, rounded to 9 decimals."""
    boxes: list[list[float]] = corners_to_xywh(corners).round(9).tolist()
    return boxes


def compute_metrics(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of pycocotools, from faster-coco-eval, which computes them in C++. Leaves its arguments unchanged.

    Args:
        ground_truth: COCO's JSON: images, annotations and categories. Ids of images may also be text.
        detections: COCO's results, x, y, width, height in pixels. There may be none.

    Returns:
        The value of each of `METRICS`. -1 means that there is no ground truth of that size.
    """
    # The library takes whole numbers only. Ids keep their order, which decides between detections of equal score.
    ids = sorted((image["id"] for image in ground_truth["images"]), key=lambda i: (isinstance(i, str), i))
    numbers = {image: number for number, image in enumerate(ids, start=1)}

    def number_images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "image_id": numbers[row["image_id"]]} for row in rows]

    truth = COCO()
    truth.dataset = {
        "images": [{**image, "id": numbers[image["id"]]} for image in ground_truth["images"]],
        "annotations": number_images(ground_truth["annotations"]),
        "categories": ground_truth["categories"],
    }
    truth.createIndex()
    evaluation = COCOeval_faster(truth, truth.loadRes(number_images(detections)), "bbox")
    evaluation.run()
    return dict(zip(METRICS, (float(value) for value in evaluation.stats), strict=True))


@dataclass(frozen=True)
class ImageRows:
    """What COCO JSON says of an image."""

    image: dict[str, Any]  # with `id` and `file_name`
    others: list[dict[str, Any]]  # its annotations and detections, each with `image_id`


class ImageIds:
    """Gives every image the source's own id of it, or else a number that is no other image's id.

    A JSON lines list may name the ids of only some images, so a number may turn out to be the id of a later one.
    """

    def __init__(self) -> None:
        self._names: dict[int | str, str] = {}  # of the images with ids of their own
        self._numbered: dict[int | str, ImageRows] = {}
        self._number = 0

    def give(self, rows: ImageRows, own: int | str | None) -> None:
        """Writes an image's id into its rows. Raises `UserError` if another image has the same id of its own."""
        self._number += 1  # of this image, counted from 1
        if own is None:
            self._give_number(rows)
            return
        name = rows.image["file_name"]
        if own in self._names:  # COCO's metrics would take both for one image
            raise UserError(
                f"image ids must differ within a split, got {show_value(own)} for {self._names[own]} and for {name}; "
                "run `make verify`, or give every image an id of its own and make the records again"
            )
        self._names[own] = name
        _write_id(rows, own)
        if own in self._numbered:
            self._give_number(self._numbered.pop(own))

    def _give_number(self, rows: ImageRows) -> None:
        while self._number in self._names or self._number in self._numbered:
            self._number += 1
        self._numbered[self._number] = rows
        _write_id(rows, self._number)


def _write_id(rows: ImageRows, image_id: int | str) -> None:
    rows.image["id"] = image_id
    for row in rows.others:
        row["image_id"] = image_id
