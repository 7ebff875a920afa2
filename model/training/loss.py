"""The SSD loss (arXiv 1512.02325, equations 1 to 3), by image, with hard negatives mined.

Another error of the boxes is a function like `huber`, and its line in `BOX_LOSSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from model.detection.decoding import decode_offsets
from model.network.ssd import NetworkShape
from model.training.addons import PREFIX, addons_giou_loss
from pipeline.config.run_config import LossConfig
from pipeline.errors import require
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
    shape: NetworkShape,
    config: LossConfig,
) -> LossParts:
    """Cross entropy of positives and of the hardest negatives, and the error of positives' offsets.

    Args:
        predictions: `logits` [B, N, classes + 1] and `offsets` [B, N, 4].
        targets: `classes` int32 [B, N], where ignored anchors are -1; `offsets` [B, N, 4].
        shape: of the network; its classes are followed by background, and losses between boxes need its N anchors.
        config: which error, one of `BOX_LOSSES`, and which mining.

    Returns:
        The parts, not yet divided: the divisor is the number of positives on all replicas.
    """
    classes = targets["classes"]
    negative = classes == shape.class_count
    positive = tf.cast(~negative & (classes != IGNORED), tf.float32)
    cross_entropy = _cross_entropy(tf.maximum(classes, 0), predictions["logits"], config.label_smoothing)
    positives = tf.reduce_sum(positive, axis=1)
    mined = _mine(tf.stop_gradient(cross_entropy), negative, positives, config)
    to_boxes = partial(decode_offsets, anchors=shape.anchors, coder_weights=shape.coder_weights)
    errors = BOX_LOSSES[config.offsets].error(predictions["offsets"], targets["offsets"], to_boxes)
    return LossParts(
        classification=tf.reduce_sum(cross_entropy * (positive + mined), axis=1),
        offsets=config.offsets_weight * tf.reduce_sum(errors * positive, axis=1),
        positives=positives,
    )


def select_hardest(losses: tf.Tensor, candidates: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
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


def _mine(losses: tf.Tensor, negative: tf.Tensor, positives: tf.Tensor, config: LossConfig) -> tf.Tensor:
    """Weights of the negatives, [B, N], mined in each image or in the whole batch as one row."""
    if config.mining == "image":
        counts = tf.maximum(config.negatives_per_positive * positives, float(config.min_negatives))
        return select_hardest(losses, negative, tf.cast(counts, tf.int32))
    count = tf.cast(config.negatives_per_positive * tf.reduce_sum(positives, keepdims=True), tf.int32)
    mined = select_hardest(tf.reshape(losses, [1, -1]), tf.reshape(negative, [1, -1]), count)
    return tf.reshape(mined, tf.shape(losses))


ToBoxes = Callable[[tf.Tensor], tf.Tensor]  # offsets [B, N, 4] to corners [B, N, 4] in [0, 1]


def squared(predicted: tf.Tensor, wanted: tf.Tensor, to_boxes: ToBoxes) -> tf.Tensor:
    """The squared error of each anchor's offsets. [B, N, 4] twice -> [B, N]."""
    return tf.reduce_sum(tf.square(predicted - wanted), axis=-1)


def huber(predicted: tf.Tensor, wanted: tf.Tensor, to_boxes: ToBoxes) -> tf.Tensor:
    """Smooth L1 (δ = 1) of each anchor's offsets. [B, N, 4] twice -> [B, N]."""
    size = tf.abs(predicted - wanted)
    return tf.reduce_sum(tf.where(size < 1.0, 0.5 * tf.square(size), size - 0.5), axis=-1)


def giou(predicted: tf.Tensor, wanted: tf.Tensor, to_boxes: ToBoxes) -> tf.Tensor:
    """1 - GIoU of the boxes that the offsets give. [B, N, 4] twice -> [B, N]."""
    return giou_loss(to_boxes(wanted), to_boxes(predicted))


def giou_and_huber(predicted: tf.Tensor, wanted: tf.Tensor, to_boxes: ToBoxes) -> tf.Tensor:
    """The gradient of GIoU vanishes for a box many times too large or too small; Huber's brings it back.

    DETR adds L1 to GIoU in the same way (arXiv 2005.12872, section 3.1). [B, N, 4] twice -> [B, N].
    """
    return giou(predicted, wanted, to_boxes) + huber(predicted, wanted, to_boxes)


def addons_giou(predicted: tf.Tensor, wanted: tf.Tensor, to_boxes: ToBoxes) -> tf.Tensor:
    """`giou`, as tensorflow-addons computes it."""
    return addons_giou_loss(to_boxes(wanted), to_boxes(predicted))


def giou_loss(truth: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """1 - GIoU of pairs of boxes (arXiv 1902.09630, algorithm 1): from 0 if they are equal to 2 if small and far apart.

    Corners `[ymin, xmin, ymax, xmax]` in any unit, [..., 4] and [..., 4] -> [...]. A box without area has IoU 0.
    """
    overlap = _area(tf.maximum(truth[..., :2], boxes[..., :2]), tf.minimum(truth[..., 2:], boxes[..., 2:]))
    union = _area(truth[..., :2], truth[..., 2:]) + _area(boxes[..., :2], boxes[..., 2:]) - overlap
    hull = _area(tf.minimum(truth[..., :2], boxes[..., :2]), tf.maximum(truth[..., 2:], boxes[..., 2:]))
    iou = tf.math.divide_no_nan(overlap, union)
    return 1.0 - (iou - tf.math.divide_no_nan(hull - union, hull))


def _area(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)


@dataclass(frozen=True)
class BoxLoss:
    """An error of the positives' boxes, from predicted and wanted offsets: [B, N, 4] twice -> [B, N].

    `weight` is the `offsets_weight` that `--box_loss` sets with it, in place of a loss without one; None leaves it.
    """

    error: Callable[[tf.Tensor, tf.Tensor, ToBoxes], tf.Tensor]
    weight: float | None = None


_OF_GIOU = 2.0  # DETR (arXiv 2005.12872, section A.4). The errors of offsets are far smaller and weigh more.

BOX_LOSSES = {
    "huber": BoxLoss(huber),
    "squared": BoxLoss(squared),
    "giou": BoxLoss(giou, _OF_GIOU),
    "giou+huber": BoxLoss(giou_and_huber, _OF_GIOU),
    f"{PREFIX}giou": BoxLoss(addons_giou, _OF_GIOU),
}


def check_box_loss(config: LossConfig) -> None:
    """Raises `UserError` unless `config.offsets` is one of `BOX_LOSSES`."""
    require(config.offsets in BOX_LOSSES, "loss.offsets", f"one of {', '.join(BOX_LOSSES)}", config.offsets)
