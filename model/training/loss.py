"""The SSD loss (arXiv 1512.02325, equations 1 to 3), by image, with hard negatives mined."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from model.detection.decoding import decode_offsets
from model.training.addons import addons_giou_loss
from model.training.giou import giou_loss
from pipeline.config.run_config import GIOU_LOSSES, LossConfig
from pipeline.geometry.anchors import Anchors
from pipeline.reader.unpack import IGNORED


@dataclass(frozen=True)
class LossParts:
    """Sums over the anchors of each image, [B] float32. Divide them by the positives of the global batch."""

    classification: tf.Tensor
    offsets: tf.Tensor  # weighted
    positives: tf.Tensor


def ssd_loss(
    predictions: dict[str, tf.Tensor],
    targets: dict[str, tf.Tensor],
    *,
    background: int,
    anchors: Anchors,
    config: LossConfig,
) -> LossParts:
    """Cross entropy of positives and of the hardest negatives, and the error of positives' offsets.

    Args:
        predictions: `logits` [B, N, classes + 1] and `offsets` [B, N, 4].
        targets: `classes` int32 [B, N], where ignored anchors are -1; `offsets` [B, N, 4].
        background: the class of negatives.
        anchors: N of them; losses between boxes need them.
        config: which error and which mining.

    Returns:
        The parts, not yet divided: the divisor is the number of positives on all replicas.
    """
    classes = targets["classes"]
    negative = classes == background
    positive = tf.cast(~negative & (classes != IGNORED), tf.float32)
    cross_entropy = _cross_entropy(tf.maximum(classes, 0), predictions["logits"], config.label_smoothing)
    positives = tf.reduce_sum(positive, axis=1)
    mined = _mined(tf.stop_gradient(cross_entropy), negative, positives, config)
    errors = _error(predictions["offsets"], targets["offsets"], anchors, config.offsets)
    return LossParts(
        classification=tf.reduce_sum(cross_entropy * (positive + mined), axis=1),
        offsets=config.offsets_weight * tf.reduce_sum(errors * positive, axis=1),
        positives=positives,
    )


def hardest(losses: tf.Tensor, candidates: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Weights that select the hardest candidates of each row, [R, M] in [0, 1].

    Candidates that tie at the threshold share the remaining weight: black regions of a canvas give hundreds of equal
    losses, and neither their order nor their number may matter.

    Args:
        losses: [R, M].
        candidates: which of them may be selected, bool [R, M].
        counts: how many to select in each row, [R]; all candidates if there are fewer.
    """
    losses = tf.where(candidates, losses, -1.0)  # cross entropy is never below 0
    counts = tf.minimum(counts, tf.reduce_sum(tf.cast(candidates, tf.int32), axis=1))
    # XLA would compile again for every new k; sorting everything is as fast.
    ranked = tf.nn.top_k(losses, k=losses.shape[1] or tf.shape(losses)[1]).values
    threshold = tf.gather(ranked, tf.maximum(counts - 1, 0), axis=1, batch_dims=1)[:, None]
    above = tf.cast(losses > threshold, tf.float32)
    tied = tf.cast(candidates & (losses == threshold), tf.float32)
    left = tf.cast(counts, tf.float32)[:, None] - tf.reduce_sum(above, axis=1, keepdims=True)
    weights = above + tied * tf.math.divide_no_nan(left, tf.reduce_sum(tied, axis=1, keepdims=True))
    return tf.where((counts > 0)[:, None], weights, 0.0)


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Against (1 - smoothing) · one-hot + smoothing / C, background included. [B, N], [B, N, C] -> [B, N]."""
    if not smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    classes = logits.shape[-1]
    spread = smoothing / classes
    wanted = tf.one_hot(labels, classes, on_value=1.0 - smoothing + spread, off_value=spread)
    return tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=logits)


def _mined(losses: tf.Tensor, negative: tf.Tensor, positives: tf.Tensor, config: LossConfig) -> tf.Tensor:
    """Weights of the negatives, [B, N], mined in each image or in the whole batch as one row."""
    if config.mining == "image":
        counts = tf.maximum(config.negatives_per_positive * positives, float(config.min_negatives))
        return hardest(losses, negative, tf.cast(counts, tf.int32))
    count = tf.cast(config.negatives_per_positive * tf.reduce_sum(positives, keepdims=True), tf.int32)
    mined = hardest(tf.reshape(losses, [1, -1]), tf.reshape(negative, [1, -1]), count)
    return tf.reshape(mined, tf.shape(losses))


def _error(predicted: tf.Tensor, wanted: tf.Tensor, anchors: Anchors, kind: str) -> tf.Tensor:
    """The error of each anchor's offsets, or of the box that they give. [B, N, 4] twice -> [B, N]."""
    if kind == "giou+huber":
        # The gradient of GIoU vanishes for a box many times too large or too small; Huber's brings it back. DETR adds
        # L1 to GIoU in the same way (arXiv 2005.12872, section 3.1).
        return _error(predicted, wanted, anchors, "giou") + _error(predicted, wanted, anchors, "huber")
    if kind in GIOU_LOSSES:
        loss = giou_loss if kind == "giou" else addons_giou_loss
        return loss(decode_offsets(wanted, anchors), decode_offsets(predicted, anchors))
    if kind == "squared":
        return tf.reduce_sum(tf.square(predicted - wanted), axis=-1)
    size = tf.abs(predicted - wanted)
    return tf.reduce_sum(tf.where(size < 1.0, 0.5 * tf.square(size), size - 0.5), axis=-1)  # Huber, δ = 1
