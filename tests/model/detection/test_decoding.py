"""Decoding in the graph against a plain greedy NMS in NumPy, on the same predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from model.detection import decoding
from model.detection.decoding import Detections, decode, decode_offsets
from pipeline.config.presets import IMPROVED_DECODE
from pipeline.config.run_config import DecodeConfig
from tests.model import tiny
from tests.offsets_to_corners import offsets_to_corners

N = len(tiny.ANCHORS)
CLASSES = 3

Decode = Callable[[dict[str, tf.Tensor]], Detections]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(height, np.float32(0)) * max(width, np.float32(0))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def greedy(boxes: np.ndarray, scores: np.ndarray, config: DecodeConfig) -> list[tuple[float, int, int]]:
    """(score, class, anchor) of one image, best first."""
    found = []
    for label in range(scores.shape[1]):
        ranked = sorted(range(len(scores)), key=lambda n: (-scores[n, label], n))[: config.max_candidates]
        kept: list[int] = []
        for n in (n for n in ranked if scores[n, label] > config.min_score):
            if all(iou(boxes[n], boxes[other]) <= config.nms_iou for other in kept):
                kept.append(n)
        found += [(scores[n, label], label, n) for n in kept]
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))[: config.max_detections]


def in_graph(config: DecodeConfig) -> Decode:
    return tf.function(lambda p: decode(p, tiny.ANCHORS, config))


def check(logits: np.ndarray, offsets: np.ndarray, config: DecodeConfig, graph: Decode | None = None) -> Detections:
    predictions = {"logits": tf.constant(logits), "offsets": tf.constant(offsets)}
    found = (graph or in_graph(config))(predictions)
    boxes = decode_offsets(predictions["offsets"], tiny.ANCHORS).numpy()
    for b in range(len(logits)):
        expected = greedy(boxes[b], tf.nn.softmax(logits[b]).numpy()[:, :-1], config)
        count = int(found.counts[b])
        assert count == len(expected)
        np.testing.assert_array_equal(found.scores[b, :count], [one[0] for one in expected])
        np.testing.assert_array_equal(found.classes[b, :count], [one[1] for one in expected])
        clipped = np.clip([boxes[b, one[2]] for one in expected], 0, 1).reshape(-1, 4)
        np.testing.assert_array_equal(found.boxes[b, :count], clipped)
        assert not found.scores[b, count:].numpy().any() and not found.boxes[b, count:].numpy().any()
    return found


@pytest.mark.parametrize(
    "config",
    [
        IMPROVED_DECODE,
        DecodeConfig(max_candidates=None),
        DecodeConfig(max_candidates=20, max_detections=15, nms_iou=0.3, min_score=0.2),
    ],
)
def test_decoding_equals_greedy_nms(config: DecodeConfig) -> None:
    bits = np.random.default_rng(0)
    logits = bits.normal(0, 1.5, (2, N, CLASSES + 1)).astype(np.float32)
    check(logits, bits.normal(0, 0.3, (2, N, 4)).astype(np.float32), config)


@pytest.mark.parametrize("candidates", [None, 100])
def test_near_uniform_and_equal_scores_are_settled_by_class_and_anchor(candidates: int | None) -> None:
    bits = np.random.default_rng(1)
    logits = np.zeros((2, N, CLASSES + 1), np.float32)
    logits[1] += bits.normal(0, 1e-6, logits[1].shape).astype(np.float32)
    found = check(logits, np.zeros((2, N, 4), np.float32), replace(IMPROVED_DECODE, max_candidates=candidates))
    assert found.counts.numpy().min() > 50


@pytest.mark.long
@pytest.mark.parametrize(
    ("shortlist", "chunk", "config"),
    [
        (64, 16, DecodeConfig(max_candidates=5)),  # fewer than a chunk may hold
        (64, 40, DecodeConfig(max_candidates=None, max_detections=60)),
        (200, 7, DecodeConfig(max_candidates=20, max_detections=15, nms_iou=0.3, min_score=0.2)),
    ],
)
def test_chunks_and_the_shortlist_change_nothing(
    shortlist: int, chunk: int, config: DecodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_SHORTLIST", shortlist)
    monkeypatch.setattr(decoding, "_CHUNK", chunk)
    graph = in_graph(config)
    bits = np.random.default_rng(3)
    for spread in (0.0, 0.5, 3.0):
        logits = bits.normal(0, spread, (2, N, CLASSES + 1)).astype(np.float32)
        offsets = bits.normal(0, 0.3, (2, N, 4)).astype(np.float32)
        check(logits, offsets, config, graph)
        check(np.round(2 * logits) / 2, np.round(offsets), config, graph)  # many ties
        logits[..., -1] += 5.0  # few are above the threshold
        check(logits, offsets, config, graph)


def test_the_shortlist_is_not_enough_if_other_anchors_tie_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_SHORTLIST", 4)
    config = DecodeConfig(max_detections=3)
    logits = np.full((1, N, CLASSES + 1), -200.0, np.float32)
    # Of equal scores anchor 0 is first by anchor, and anchor 300 by class. The last anchors' softmax is not vectorised
    # and differs by a bit.
    logits[0, :300:3, 2] = 0.0
    logits[0, 300, 0] = 0.0
    found = check(logits, np.zeros((1, N, 4), np.float32), config)
    assert found.classes[0].numpy().tolist() == [0, 2, 2]


def test_classes_do_not_suppress_each_other() -> None:
    logits = np.full((1, N, CLASSES + 1), -9.0, np.float32)
    logits[0, :, -1] = 9.0
    logits[0, 5] = [3.0, 3.0, 3.0, -9.0]
    found = check(logits, np.zeros((1, N, 4), np.float32), IMPROVED_DECODE)
    assert found.classes[0, : int(found.counts[0])].numpy().tolist() == [0, 1, 2]


def test_boxes_without_area_suppress_nothing_and_huge_ones_only_their_like() -> None:
    bits = np.random.default_rng(4)
    logits = bits.normal(0, 0.5, (1, N, CLASSES + 1)).astype(np.float32)
    sizes = bits.choice([-200.0, -1.0, 0.0, 1.0, 200.0], (1, N, 2))
    offsets = np.concatenate([bits.normal(0, 0.3, (1, N, 2)), sizes], axis=2).astype(np.float32)
    check(logits, offsets, DecodeConfig(max_candidates=50))


def test_a_score_must_be_above_the_threshold() -> None:
    scores = np.full((1, N, CLASSES + 1), 1e-6, np.float32)
    scores[..., -1] = 1.0
    logits = np.log(scores)
    logits[0, 5] = [0.0, 0.0, -80.0, -80.0]  # exactly one half for each of two classes
    offsets = np.zeros((1, N, 4), np.float32)
    assert int(check(logits, offsets, DecodeConfig(min_score=0.5)).counts[0]) == 0
    assert int(check(logits, offsets, DecodeConfig(min_score=0.499)).counts[0]) == 2


def test_nothing_found_is_an_empty_list() -> None:
    logits = np.zeros((1, N, CLASSES + 1), np.float32)
    logits[..., -1] = 20.0
    found = check(logits, np.zeros((1, N, 4), np.float32), IMPROVED_DECODE)
    assert int(found.counts[0]) == 0


def test_boxes_are_those_of_the_targets_and_wild_ones_stay_finite() -> None:
    bits = np.random.default_rng(2)
    offsets = bits.normal(0, 0.5, (1, N, 4)).astype(np.float32)
    expected = offsets_to_corners(offsets[0], tiny.ANCHORS.centroids)
    np.testing.assert_allclose(decode_offsets(offsets, tiny.ANCHORS)[0], expected, rtol=1e-5, atol=1e-6)
    weights = (10.0, 10.0, 5.0, 5.0)
    weighted = decode_offsets(offsets * np.array(weights, np.float32), tiny.ANCHORS, weights)
    np.testing.assert_allclose(weighted[0], expected, rtol=1e-5, atol=1e-6)
    wild = decode_offsets(tf.fill([1, N, 4], 1e4), tiny.ANCHORS)
    assert np.isfinite(wild).all()
