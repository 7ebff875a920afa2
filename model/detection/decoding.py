"""From predictions to detections, in the graph: scores, greedy NMS within each class, the best of all classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipeline.config.run_config import DecodeConfig
from pipeline.geometry.anchors import Anchors

_CHUNK = 256  # candidates that go through NMS together
_SHORTLIST = 1024  # anchors that are tried first

UNWEIGHTED = (1.0, 1.0, 1.0, 1.0)
MAX_LOG_SIZE = 10.0  # of a box relative to its anchor; keeps extreme predictions finite


class Detections(NamedTuple):
    """The best detections of each image, best first. Everything beyond `counts` is zero."""

    boxes: tf.Tensor  # [B, D, 4] corners in [0, 1], clipped to the canvas, float32
    scores: tf.Tensor  # [B, D] float32
    classes: tf.Tensor  # [B, D] int32
    counts: tf.Tensor  # [B] int32


def decode(
    predictions: dict[str, tf.Tensor],
    anchors: Anchors,
    config: DecodeConfig,
    *,
    coder_weights: Sequence[float] = UNWEIGHTED,
) -> Detections:
    """Detections of a batch.

    In each class the `max_candidates` best anchors with a score above `min_score` go through greedy NMS, which drops a
    box if its IoU with a better one that was kept is above `nms_iou`. Then the best `max_detections` of all classes are
    taken. Ties go to the lower class, then to the lower anchor.

    Greedy NMS compares a candidate only with better ones. So the candidates of all classes go through it together, best
    first and a chunk at a time, until there are enough detections; most are never looked at. For the same reason only
    a shortlist of anchors is decoded at first. If it does not settle every image of the batch, all anchors are.

    Args:
        predictions: `logits` [B, N, classes + 1], background last, and `offsets` [B, N, 4].
        anchors: N of them.
        config: thresholds and limits.
        coder_weights: see `decode_offsets`.
    """
    logits, boxes = predictions["logits"], decode_offsets(predictions["offsets"], anchors, coder_weights)

    def decode_all() -> Detections:
        scores = tf.map_fn(tf.nn.softmax, logits)
        return _decode(scores, boxes, tf.fill(tf.shape(logits)[:1], config.min_score), config)

    if len(anchors) <= _SHORTLIST:
        return decode_all()
    scores, listed_boxes, best_of_others = _shortlist(logits, boxes)
    quick = _decode(scores, listed_boxes, tf.maximum(best_of_others, config.min_score), config)
    is_settled = (quick.counts == config.max_detections) | (best_of_others <= config.min_score)
    return Detections(*tf.cond(tf.reduce_all(is_settled), lambda: quick, decode_all))


def _shortlist(logits: tf.Tensor, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The anchors whose best class scores highest, in the order of the anchors.

    Returns:
        Their scores [B, S, classes + 1] and boxes [B, S, 4], and the best score that any other anchor has [B].
    """

    def of_image(row: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        scores = tf.nn.softmax(row[0])
        best = tf.nn.top_k(tf.reduce_max(scores[:, :-1], axis=1), k=_SHORTLIST + 1)
        listed = tf.sort(best.indices[:-1])
        return tf.gather(scores, listed), tf.gather(row[1], listed), best.values[-1]

    signature = (
        tf.TensorSpec([_SHORTLIST, logits.shape[2]], tf.float32),
        tf.TensorSpec([_SHORTLIST, 4], tf.float32),
        tf.TensorSpec([], tf.float32),
    )
    # Image by image: with many classes the scores of a batch are so large that their page faults cost more than the
    # softmax.
    return tf.map_fn(of_image, (logits, boxes), fn_output_signature=signature)


def _decode(scores: tf.Tensor, boxes: tf.Tensor, threshold: tf.Tensor, config: DecodeConfig) -> Detections:
    """Detections that score above `threshold` [B], from scores [B, N, classes + 1] and boxes [B, N, 4]."""
    by_class = tf.transpose(scores, [0, 2, 1])[:, :-1]
    batch = tf.shape(by_class)[0]
    classes, count = by_class.shape[1:]
    flat = tf.reshape(by_class, [batch, classes * count])  # by class and anchor, the order in which ties are settled
    places = tf.range(classes * count)
    chunk = min(_CHUNK, classes * count)
    most, limit = config.max_detections, config.max_candidates or count

    def is_open(found: Detections, last_score: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any((found.counts < most) & (last_score > threshold))

    def with_next_chunk(
        found: Detections, last_score: tf.Tensor, last_place: tf.Tensor, seen: tf.Tensor
    ) -> tuple[Detections, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Goes on after the last candidate of the chunk before, [B]. `seen` [B, C] candidates came before it."""
        score, place = last_score[:, None], last_place[:, None]
        is_left = (flat < score) | ((flat == score) & (places > place))
        best = tf.nn.top_k(tf.where(is_left, flat, -1.0), k=chunk)
        labels = best.indices // count
        one_hot = tf.one_hot(labels, classes)
        is_candidate = (best.values > threshold[:, None])[..., None]
        if limit < count:
            is_candidate &= seen[:, None] + tf.cumsum(one_hot, axis=1, exclusive=True) < limit
            seen += tf.reduce_sum(one_hot, axis=1)
        was_kept = tf.sequence_mask(found.counts, most, tf.float32)[..., None]
        kept = _select_best_apart(
            tf.concat([found.boxes, tf.gather(boxes, best.indices % count, batch_dims=1)], axis=1),
            tf.concat([found.scores, best.values], axis=1),
            tf.concat([found.classes, labels], axis=1),
            tf.concat([tf.one_hot(found.classes, classes) * was_kept, tf.where(is_candidate, one_hot, 0.0)], axis=1),
            config,
        )
        return kept, best.values[:, -1], best.indices[:, -1], seen

    nothing = Detections(
        boxes=tf.zeros([batch, most, 4]),
        scores=tf.zeros([batch, most]),
        classes=tf.zeros([batch, most], tf.int32),
        counts=tf.zeros([batch], tf.int32),
    )
    above_all = tf.fill([batch], 2.0)
    start = (nothing, above_all, tf.zeros([batch], tf.int32), tf.zeros([batch, classes]))
    found, *_ = tf.while_loop(is_open, with_next_chunk, start)
    return found._replace(boxes=tf.clip_by_value(found.boxes, 0.0, 1.0))


def _select_best_apart(
    boxes: tf.Tensor, scores: tf.Tensor, labels: tf.Tensor, memberships: tf.Tensor, config: DecodeConfig
) -> Detections:
    """Greedy NMS within each class, of M boxes [B, M, 4] that come best first.

    `memberships` [B, M, C] is 1 for the class of a candidate. A box with 0 for all classes is not a candidate.
    """
    count, most = boxes.shape[1], config.max_detections
    ranks = tf.range(count, 0, -1, dtype=tf.float32)
    with tf.device("/CPU:0"):
        # Ranks in place of scores: no two are equal, and how the operation settles ties is not documented.
        chosen = tf.image.combined_non_max_suppression(
            boxes[:, :, None],
            memberships * ranks[:, None],
            max_output_size_per_class=most,
            max_total_size=most,
            iou_threshold=config.nms_iou,
            score_threshold=0.0,
            clip_boxes=False,
        )
    is_kept = tf.sequence_mask(chosen.valid_detections, most)
    kept = tf.where(is_kept, count - tf.cast(chosen.nmsed_scores, tf.int32), 0)
    return Detections(
        boxes=tf.where(is_kept[..., None], tf.gather(boxes, kept, batch_dims=1), 0.0),
        scores=tf.where(is_kept, tf.gather(scores, kept, batch_dims=1), 0.0),
        classes=tf.where(is_kept, tf.gather(labels, kept, batch_dims=1), 0),
        counts=chosen.valid_detections,
    )


def decode_offsets(offsets: tf.Tensor, anchors: Anchors, coder_weights: Sequence[float] = UNWEIGHTED) -> tf.Tensor:
    """Undoes `pipeline.geometry.targets.centroids_to_offsets`. [B, N, 4] -> corners in [0, 1], [B, N, 4] float32.

    `coder_weights`: the factors that cy, cx, h, w were encoded with.
    """
    if tuple(coder_weights) != UNWEIGHTED:
        offsets = offsets / tf.constant(coder_weights, tf.float32)
    centroids = tf.constant(np.ascontiguousarray(anchors.centroids), tf.float32)
    centers = offsets[..., :2] * centroids[:, 2:] + centroids[:, :2]
    halves = tf.exp(tf.minimum(offsets[..., 2:], MAX_LOG_SIZE)) * centroids[:, 2:] / 2
    return tf.concat([centers - halves, centers + halves], axis=-1)
