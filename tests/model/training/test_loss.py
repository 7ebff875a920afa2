"""The loss against a slow reference in NumPy, anchor by anchor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from configs import config_names, load_config
from model.network.ssd import NetworkShape
from model.training.loss import BOX_LOSSES, check_box_loss, giou_loss, select_hardest, ssd_loss
from pipeline.config.presets import BASELINE_LOSS, IMPROVED_LOSS
from pipeline.config.run_config import LossConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import make_anchors
from tests.offsets_to_corners import offsets_to_corners
from tests.record_sets import TINY

BACKGROUND = 3
ANCHORS = make_anchors(TINY.anchors, TINY.canvas)
SHAPE = NetworkShape(TINY.canvas, TINY.anchors.strides, ANCHORS, class_count=BACKGROUND)


def reference(predictions: Any, targets: Any, config: LossConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classification and offsets of each image, and its positives; float64, no vectors."""
    batch, anchors = targets["classes"].shape
    classification, offsets, positives = np.zeros(batch), np.zeros(batch), np.zeros(batch)
    negatives: list[tuple[float, int]] = []
    chosen: list[list[tuple[float, int]]] = [[] for _ in range(batch)]
    for b in range(batch):
        for n in range(anchors):
            label = targets["classes"][b, n]
            if label == -1:
                continue
            logits = predictions["logits"][b, n].astype(np.float64)
            cross_entropy = 0.0
            for k in range(len(logits)):
                wanted = config.label_smoothing / len(logits) + (k == label) * (1 - config.label_smoothing)
                cross_entropy += wanted * (np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[k])
            if label == BACKGROUND:
                chosen[b].append((cross_entropy, b))
                negatives.append((cross_entropy, b))
                continue
            positives[b] += 1
            classification[b] += cross_entropy
            if "giou" in config.offsets:
                anchor = ANCHORS.centroids[n]
                pair = (offsets_to_corners(part["offsets"][b, n], anchor) for part in (targets, predictions))
                offsets[b] += 1 - generalised_iou(*pair)
            if config.offsets == "giou":
                continue
            for k in range(4):
                error = abs(float(predictions["offsets"][b, n, k]) - float(targets["offsets"][b, n, k]))
                squared = config.offsets == "squared"
                offsets[b] += error**2 if squared else 0.5 * error**2 if error < 1 else error - 0.5
    if config.mining == "batch":
        mined = sorted(negatives, reverse=True)[: int(config.negatives_per_positive * positives.sum())]
    else:
        counts = [int(max(config.negatives_per_positive * p, config.min_negatives)) for p in positives]
        mined = [pair for b in range(batch) for pair in sorted(chosen[b], reverse=True)[: counts[b]]]
    for cross_entropy, b in mined:
        classification[b] += cross_entropy
    return classification, config.offsets_weight * offsets, positives


def generalised_iou(one: np.ndarray, other: np.ndarray) -> float:
    """Of two corner boxes, side by side."""
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    overlap = height * width if height > 0 and width > 0 else 0.0
    union = sum(areas) - overlap
    hull = (max(one[2], other[2]) - min(one[0], other[0])) * (max(one[3], other[3]) - min(one[1], other[1]))
    return float(overlap / union - (hull - union) / hull)


def make_case(
    seed: int, batch: int = 3, anchors: int = len(ANCHORS)
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    bits = np.random.default_rng(seed)
    classes = np.full((batch, anchors), BACKGROUND, np.int32)
    for b in range(1, batch):  # the first image has no objects
        some = bits.permutation(anchors)
        classes[b, some[: 2 + b]] = bits.integers(0, BACKGROUND, 2 + b)
        classes[b, some[10:20]] = -1
    predictions = {
        "logits": bits.normal(0, 2, (batch, anchors, BACKGROUND + 1)).astype(np.float32),
        "offsets": bits.normal(0, 2, (batch, anchors, 4)).astype(np.float32),
    }
    return predictions, {"classes": classes, "offsets": bits.normal(0, 1, (batch, anchors, 4)).astype(np.float32)}


@pytest.mark.parametrize(
    "config",
    [
        BASELINE_LOSS,
        IMPROVED_LOSS,
        LossConfig(offsets_weight=5.0, min_negatives=200),
        LossConfig(offsets="giou"),
        LossConfig(offsets="giou+huber"),
        LossConfig(label_smoothing=0.1),
        LossConfig(label_smoothing=0.6, mining="batch"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_loss_equals_the_reference(config: LossConfig, seed: int) -> None:
    predictions, targets = make_case(seed)
    parts = ssd_loss(predictions, targets, shape=SHAPE, config=config)
    classification, offsets, positives = reference(predictions, targets, config)
    np.testing.assert_allclose(parts.classification, classification, rtol=1e-5)
    np.testing.assert_allclose(parts.offsets, offsets, rtol=1e-5)
    np.testing.assert_array_equal(parts.positives, positives)


@pytest.mark.parametrize("log_size", [-5.0, 5.0])
def test_a_box_of_a_wildly_wrong_size_is_pulled_back_by_giou_plus_huber(log_size: float) -> None:
    """With GIoU alone such boxes stay as they are: a training from pretrained weights ended with all of them huge."""
    count = len(ANCHORS)
    offsets = tf.Variable(np.full((1, count, 4), [0.0, 0.0, log_size, log_size], np.float32))
    classes = np.full((1, count), -1, np.int32)
    classes[0, 0] = 1  # all others are ignored
    targets = {"classes": classes, "offsets": np.zeros((1, count, 4), np.float32)}

    def slope(kind: str) -> float:
        with tf.GradientTape() as tape:
            found = {"logits": tf.zeros([1, count, BACKGROUND + 1]), "offsets": offsets}
            config = LossConfig(offsets=kind)
            parts = ssd_loss(found, targets, shape=SHAPE, config=config)
        return float(tape.gradient(parts.offsets, offsets)[0, 0, 2] * np.sign(log_size))

    assert slope("giou") < 0.01
    assert slope("giou+huber") > 1.0


def test_smoothed_cross_entropy_is_that_of_keras_and_has_its_least_at_the_smoothed_target() -> None:
    predictions, targets = make_case(3)
    positives = targets["classes"] == 1
    labels = np.where(positives, 1, -1).astype(np.int32)  # everything else is ignored
    config = LossConfig(label_smoothing=0.1)
    case = {"classes": labels, "offsets": targets["offsets"]}
    parts = ssd_loss(predictions, case, shape=SHAPE, config=config)
    keras = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction="none")
    expected = keras(tf.one_hot(labels, BACKGROUND + 1), predictions["logits"]) * tf.cast(positives, tf.float32)
    np.testing.assert_allclose(parts.classification, tf.reduce_sum(expected, axis=1), rtol=1e-5)
    assert parts.classification.dtype == tf.float32

    logits = tf.Variable(np.log([[[0.025, 0.925, 0.025, 0.025]]]), dtype=tf.float32)
    one = {"classes": np.array([[1]], np.int32), "offsets": np.zeros((1, 1, 4), np.float32)}
    with tf.GradientTape() as tape:
        found = {"logits": logits, "offsets": tf.zeros([1, 1, 4])}
        parts = ssd_loss(found, one, shape=SHAPE, config=config)
    np.testing.assert_allclose(tape.gradient(parts.classification, logits), np.zeros((1, 1, 4)), atol=1e-6)


def test_an_image_without_objects_teaches_its_hardest_negatives_and_no_offsets() -> None:
    predictions, targets = make_case(0)
    parts = ssd_loss(predictions, targets, shape=SHAPE, config=IMPROVED_LOSS)
    assert parts.classification[0] > 0 and parts.offsets[0] == 0 and parts.positives[0] == 0


@pytest.mark.parametrize("config", [BASELINE_LOSS, IMPROVED_LOSS])
def test_ignored_anchors_have_no_gradient(config: LossConfig) -> None:
    predictions, targets = make_case(1)
    variables = {name: tf.Variable(value) for name, value in predictions.items()}
    with tf.GradientTape() as tape:
        parts = ssd_loss(
            {name: v.value() for name, v in variables.items()},
            targets,
            shape=SHAPE,
            config=config,
        )
        loss = tf.reduce_sum(parts.classification) + tf.reduce_sum(parts.offsets)
    gradients = tape.gradient(loss, variables)
    ignored = targets["classes"] == -1
    assert ignored.any() and gradients["logits"].numpy()[~ignored].any()
    assert not gradients["logits"].numpy()[ignored].any() and not gradients["offsets"].numpy()[ignored].any()


def test_the_loss_of_an_image_does_not_depend_on_the_others() -> None:
    predictions, targets = make_case(2)
    whole = ssd_loss(predictions, targets, shape=SHAPE, config=IMPROVED_LOSS)
    for b in range(3):
        alone = ssd_loss(
            {name: value[b : b + 1] for name, value in predictions.items()},
            {name: value[b : b + 1] for name, value in targets.items()},
            shape=SHAPE,
            config=IMPROVED_LOSS,
        )
        np.testing.assert_allclose(alone.classification[0], whole.classification[b], rtol=1e-6)
        np.testing.assert_allclose(alone.offsets[0], whole.offsets[b], rtol=1e-6)


def test_candidates_that_tie_share_what_is_left_to_choose() -> None:
    losses = tf.constant([[5.0, 1.0, 1.0, 1.0, 1.0, 9.0, 0.5]])
    candidates = tf.constant([[True, True, True, True, True, False, True]])
    weights = select_hardest(losses, candidates, tf.constant([3]))
    np.testing.assert_allclose(weights, [[1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_array_equal(select_hardest(losses, candidates, tf.constant([0])), tf.zeros([1, 7]))
    np.testing.assert_array_equal(
        select_hardest(losses, candidates, tf.constant([50])), tf.cast(candidates, tf.float32)
    )


@pytest.mark.parametrize(
    ("other", "loss"),
    [
        ([0.0, 0.0, 2.0, 2.0], 0.0),  # the same
        ([0.0, 1.0, 2.0, 3.0], 2 / 3),  # IoU 1/3, and a hull without gaps
        ([0.0, 4.0, 2.0, 6.0], 1 + 1 / 3),  # apart: a third of the hull is empty
        ([1.0, 1.0, 1.0, 1.0], 1.0),  # a point inside: IoU 0, the hull is the box
    ],
)
def test_giou_by_hand(other: list[float], loss: float) -> None:
    assert float(giou_loss(tf.constant([0.0, 0.0, 2.0, 2.0]), tf.constant(other))) == pytest.approx(loss)


def test_a_box_loss_is_known_by_its_name() -> None:
    for name in config_names():
        check_box_loss(load_config(name).loss)
    with pytest.raises(
        UserError, match=f"^loss.offsets must be one of {'.*'.join(list(BOX_LOSSES)[:2])}, .*, got 'l1'$"
    ):
        check_box_loss(LossConfig(offsets="l1"))
