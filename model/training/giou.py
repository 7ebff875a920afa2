"""Generalised IoU (arXiv 1902.09630, algorithm 1) as a loss between boxes."""

from __future__ import annotations

import tensorflow as tf


def giou_loss(truth: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """1 - GIoU of pairs of boxes: 0 if they are equal, towards 2 if they are small and far apart.

    Corners `[ymin, xmin, ymax, xmax]` in any unit, [..., 4] and [..., 4] -> [...]. A box without area has IoU 0.
    """
    overlap = _area(tf.maximum(truth[..., :2], boxes[..., :2]), tf.minimum(truth[..., 2:], boxes[..., 2:]))
    union = _area(truth[..., :2], truth[..., 2:]) + _area(boxes[..., :2], boxes[..., 2:]) - overlap
    hull = _area(tf.minimum(truth[..., :2], boxes[..., :2]), tf.maximum(truth[..., 2:], boxes[..., 2:]))
    iou = tf.math.divide_no_nan(overlap, union)
    return 1.0 - (iou - tf.math.divide_no_nan(hull - union, hull))


def _area(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
