"""COCO's twelve metrics by name."""

from __future__ import annotations

from typing import Any

from faster_coco_eval import COCO, COCOeval_faster

METRICS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)


def coco_metrics(ground_truth: dict[str, Any], detections: list[dict[str, Any]]) -> dict[str, float]:
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

    def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "image_id": numbers[row["image_id"]]} for row in rows]

    truth = COCO()
    truth.dataset = {
        "images": [{**image, "id": numbers[image["id"]]} for image in ground_truth["images"]],
        "annotations": numbered(ground_truth["annotations"]),
        "categories": ground_truth["categories"],
    }
    truth.createIndex()
    evaluation = COCOeval_faster(truth, truth.loadRes(numbered(detections)), "bbox")
    evaluation.run()
    return dict(zip(METRICS, (float(value) for value in evaluation.stats), strict=True))
