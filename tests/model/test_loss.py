"""The loss against a slow reference in NumPy, anchor by anchor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.loss import hardest, ssd_loss
from pipeline.presets import BASELINE_LOSS, IMPROVED_LOSS
from pipeline.recipe import LossConfig

BACKGROUND = 3


def reference(predictions: Any, targets: Any, config: LossConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classification and offsets of each picture, and its positives; float64, no vectors."""
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
            cross_entropy = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]
            if label == BACKGROUND:
                chosen[b].append((cross_entropy, b))
                negatives.append((cross_entropy, b))
                continue
            positives[b] += 1
            classification[b] += cross_entropy
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


def make_case(seed: int, batch: int = 3, anchors: int = 60) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    bits = np.random.default_rng(seed)
    classes = np.full((batch, anchors), BACKGROUND, np.int32)
    for b in range(1, batch):  # the first picture has no objects
        some = bits.permutation(anchors)
        classes[b, some[: 2 + b]] = bits.integers(0, BACKGROUND, 2 + b)
        classes[b, some[10:20]] = -1
    predictions = {
        "logits": bits.normal(0, 2, (batch, anchors, BACKGROUND + 1)).astype(np.float32),
        "offsets": bits.normal(0, 2, (batch, anchors, 4)).astype(np.float32),
    }
    return predictions, {"classes": classes, "offsets": bits.normal(0, 1, (batch, anchors, 4)).astype(np.float32)}


@pytest.mark.parametrize("config", [BASELINE_LOSS, IMPROVED_LOSS, LossConfig(offsets_weight=5.0, min_negatives=200)])
@pytest.mark.parametrize("seed", range(5))
def test_the_loss_equals_the_reference(config: LossConfig, seed: int) -> None:
    predictions, targets = make_case(seed)
    parts = ssd_loss(predictions, targets, background=BACKGROUND, config=config)
    classification, offsets, positives = reference(predictions, targets, config)
    np.testing.assert_allclose(parts.classification, classification, rtol=1e-5)
    np.testing.assert_allclose(parts.offsets, offsets, rtol=1e-5)
    np.testing.assert_array_equal(parts.positives, positives)


def test_a_picture_without_objects_teaches_its_hardest_negatives_and_no_offsets() -> None:
    predictions, targets = make_case(0)
    parts = ssd_loss(predictions, targets, background=BACKGROUND, config=IMPROVED_LOSS)
    assert parts.classification[0] > 0 and parts.offsets[0] == 0 and parts.positives[0] == 0


@pytest.mark.parametrize("config", [BASELINE_LOSS, IMPROVED_LOSS])
def test_ignored_anchors_have_no_gradient(config: LossConfig) -> None:
    predictions, targets = make_case(1)
    variables = {name: tf.Variable(value) for name, value in predictions.items()}
    with tf.GradientTape() as tape:
        parts = ssd_loss(
            {name: v.value() for name, v in variables.items()}, targets, background=BACKGROUND, config=config
        )
        loss = tf.reduce_sum(parts.classification) + tf.reduce_sum(parts.offsets)
    gradients = tape.gradient(loss, variables)
    ignored = targets["classes"] == -1
    assert ignored.any() and gradients["logits"].numpy()[~ignored].any()
    assert not gradients["logits"].numpy()[ignored].any() and not gradients["offsets"].numpy()[ignored].any()


def test_the_loss_of_a_picture_does_not_depend_on_the_others() -> None:
    predictions, targets = make_case(2)
    whole = ssd_loss(predictions, targets, background=BACKGROUND, config=IMPROVED_LOSS)
    for b in range(3):
        alone = ssd_loss(
            {name: value[b : b + 1] for name, value in predictions.items()},
            {name: value[b : b + 1] for name, value in targets.items()},
            background=BACKGROUND,
            config=IMPROVED_LOSS,
        )
        np.testing.assert_allclose(alone.classification[0], whole.classification[b], rtol=1e-6)
        np.testing.assert_allclose(alone.offsets[0], whole.offsets[b], rtol=1e-6)


def test_candidates_that_tie_share_what_is_left_to_choose() -> None:
    losses = tf.constant([[5.0, 1.0, 1.0, 1.0, 1.0, 9.0, 0.5]])
    candidates = tf.constant([[True, True, True, True, True, False, True]])
    weights = hardest(losses, candidates, tf.constant([3]))
    np.testing.assert_allclose(weights, [[1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_array_equal(hardest(losses, candidates, tf.constant([0])), tf.zeros([1, 7]))
    np.testing.assert_array_equal(hardest(losses, candidates, tf.constant([50])), tf.cast(candidates, tf.float32))
