"""From predictions to detections, by the batch and in the graph: scores, greedy NMS by class, the best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipeline.config.run_config import DecodeConfig
from pipeline.geometry.anchors import Anchors

MAX_LOG_SIZE = 10.0  # of a box over its anchor: keeps wild predictions finite


class Detections(NamedTuple):
    """The best detections of each picture, best first. Everything beyond `counts` is zero."""

    boxes: tf.Tensor  # [B, D, 4] corners in [0, 1], clipped to the canvas, float32
    scores: tf.Tensor  # [B, D] float32
    classes: tf.Tensor  # [B, D] int32
    counts: tf.Tensor  # [B] int32


def decode(predictions: dict[str, tf.Tensor], anchors: Anchors, config: DecodeConfig) -> Detections:
    """Detections of a batch.

    In each class the `max_candidates` best anchors with a score above `min_score` go through greedy NMS, which drops a
    box if its IoU with a better one that was kept is above `nms_iou`. Then the best `max_detections` of all classes are
    taken. Ties go to the lower class, then to the lower anchor.

    Args:
        predictions: `logits` [B, N, classes + 1], background last, and `offsets` [B, N, 4].
        anchors: N of them.
        config: thresholds and limits.
    """
    scores = tf.nn.softmax(predictions["logits"])[..., :-1]  # [B, N, C]
    boxes = predicted_corners(predictions["offsets"], anchors)  # [B, N, 4]
    count, classes = len(anchors), scores.shape[2]
    candidates = min(config.max_candidates or count, count)
    ranked = tf.nn.top_k(tf.transpose(scores, [0, 2, 1]), k=candidates)  # [B, C, K], lower anchor first on ties
    ranked_boxes = tf.gather(boxes, ranked.indices, axis=1, batch_dims=1)  # [B, C, K, 4]
    most = config.max_detections

    def of_one_class(row: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        row_boxes, row_scores = row
        chosen = tf.image.non_max_suppression(row_boxes, row_scores, most, config.nms_iou, config.min_score)
        margin = [[0, most - tf.size(chosen)]]
        chosen_scores = tf.pad(tf.gather(row_scores, chosen), margin)
        return tf.pad(tf.gather(row_boxes, chosen), [*margin, [0, 0]]), tf.ensure_shape(chosen_scores, [most])

    rows = (tf.reshape(ranked_boxes, [-1, candidates, 4]), tf.reshape(ranked.values, [-1, candidates]))
    with tf.device("/CPU:0"):  # whose NMS breaks ties by the order of the candidates
        signature = (tf.TensorSpec([most, 4], tf.float32), tf.TensorSpec([most], tf.float32))
        kept_boxes, kept_scores = tf.map_fn(of_one_class, rows, fn_output_signature=signature)
    best = tf.nn.top_k(tf.reshape(kept_scores, [-1, classes * most]), k=most)  # lower class first on ties
    best_boxes = tf.gather(tf.reshape(kept_boxes, [-1, classes * most, 4]), best.indices, batch_dims=1)
    detected = best.values > 0.0
    return Detections(
        boxes=tf.clip_by_value(best_boxes, 0.0, 1.0),
        scores=best.values,
        classes=tf.where(detected, best.indices // most, 0),
        counts=tf.reduce_sum(tf.cast(detected, tf.int32), axis=1),
    )


def predicted_corners(offsets: tf.Tensor, anchors: Anchors) -> tf.Tensor:
    """Undoes `pipeline.geometry.targets.centroids_to_offsets`. [B, N, 4] -> corners in [0, 1], [B, N, 4] float32."""
    centroids = tf.constant(np.ascontiguousarray(anchors.centroids), tf.float32)
    centers = offsets[..., :2] * centroids[:, 2:] + centroids[:, :2]
    halves = tf.exp(tf.minimum(offsets[..., 2:], MAX_LOG_SIZE)) * centroids[:, 2:] / 2
    return tf.concat([centers - halves, centers + halves], axis=-1)
