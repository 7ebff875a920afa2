"""Compares decoding with one NMS for all classes and with an NMS for each class, in one run.

    python -m benchmarks.decoding

Every round times both ways in turn on the same predictions, on all cores. The table shows the medians; ratios are taken
within a round. Ends with status 1 if a goal is missed, or if the two ways find different detections.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import model  # noqa: F401  (chooses the Keras before TensorFlow is imported)

# isort: split
import numpy as np
import tensorflow as tf

from benchmarks.flags import FLAGS
from benchmarks.goals import Goal
from benchmarks.report import Conditions, report
from configs import load_config
from model.detection.decoding import Detections, decode, decode_offsets
from pipeline.command_line import run_command
from pipeline.config.run_config import DecodeConfig
from pipeline.errors import UserError
from pipeline.geometry.anchors import Anchors, make_anchors

ROUNDS = 5
CONFIG = "cifar10_improved"
BATCH = 32


Predictions = dict[str, tf.Tensor]
Decode = Callable[[Predictions], Detections]


@dataclass(frozen=True)
class Kind:
    """A kind of predictions. `goal` is the speed that decoding must reach, relative to an NMS for each class."""

    name: str
    classes: int
    spread: float  # standard deviation of the logits
    background: float  # added to the background's logit
    goal: float | None


KINDS = (
    Kind("1 class, untrained", 1, 0.1, 0.0, None),
    Kind("10 classes, untrained", 10, 0.1, 0.0, 3.0),
    Kind("80 classes, untrained", 80, 0.1, 0.0, 8.0),
    Kind("10 classes, few objects", 10, 2.0, 8.0, None),
    Kind("80 classes, few objects", 80, 2.0, 8.0, None),
)


@dataclass(frozen=True)
class Result:
    """Images per second of both ways with one kind of predictions: medians."""

    kind: Kind
    by_class: float
    together: float
    ratio: float


def decode_by_class(predictions: Predictions, anchors: Anchors, config: DecodeConfig) -> Detections:
    """Finds the same detections as `decode`, with an NMS for each class of each image."""
    scores = tf.nn.softmax(predictions["logits"])[..., :-1]
    boxes = decode_offsets(predictions["offsets"], anchors)
    count, classes = len(anchors), scores.shape[2]
    candidates, most = min(config.max_candidates or count, count), config.max_detections
    ranked = tf.nn.top_k(tf.transpose(scores, [0, 2, 1]), k=candidates)
    ranked_boxes = tf.gather(boxes, ranked.indices, axis=1, batch_dims=1)

    def of_one_class(row: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.image.non_max_suppression(*row, most, config.nms_iou, config.min_score)
        margin = [[0, most - tf.size(chosen)]]
        chosen_scores = tf.pad(tf.gather(row[1], chosen), margin)
        return tf.pad(tf.gather(row[0], chosen), [*margin, [0, 0]]), tf.ensure_shape(chosen_scores, [most])

    rows = (tf.reshape(ranked_boxes, [-1, candidates, 4]), tf.reshape(ranked.values, [-1, candidates]))
    signature = (tf.TensorSpec([most, 4], tf.float32), tf.TensorSpec([most], tf.float32))
    kept_boxes, kept_scores = tf.map_fn(of_one_class, rows, fn_output_signature=signature)
    best = tf.nn.top_k(tf.reshape(kept_scores, [-1, classes * most]), k=most)
    best_boxes = tf.gather(tf.reshape(kept_boxes, [-1, classes * most, 4]), best.indices, batch_dims=1)
    detected = best.values > 0.0
    return Detections(
        boxes=tf.clip_by_value(best_boxes, 0.0, 1.0),
        scores=best.values,
        classes=tf.where(detected, best.indices // most, 0),
        counts=tf.reduce_sum(tf.cast(detected, tf.int32), axis=1),
    )


def random_predictions(kind: Kind, anchors: int) -> Predictions:
    """Normal logits, and boxes near their anchors."""
    random = np.random.default_rng(0)
    logits = random.normal(0, kind.spread, (BATCH, anchors, kind.classes + 1)).astype(np.float32)
    logits[..., -1] += np.float32(kind.background)
    offsets = random.normal(0, 0.1, (BATCH, anchors, 4)).astype(np.float32)
    return {"logits": tf.constant(logits), "offsets": tf.constant(offsets)}


def measure(kind: Kind, anchors: Anchors, config: DecodeConfig, *, rounds: int) -> Result:
    """Times both ways on the same predictions, in turn. Raises `UserError` if their detections differ."""
    predictions = random_predictions(kind, len(anchors))
    ways: list[Decode] = [tf.function(lambda p, w=way: w(p, anchors, config)) for way in (decode_by_class, decode)]
    _require_same_scores(kind, *(way(predictions) for way in ways))

    def seconds(way: Decode) -> float:
        started = time.perf_counter()
        way(predictions).counts.numpy()
        return time.perf_counter() - started

    timed = [(seconds(ways[0]), seconds(ways[1])) for _ in range(rounds)]
    by_class, together = (BATCH / statistics.median(times) for times in zip(*timed, strict=True))
    return Result(kind, by_class, together, statistics.median(a / b for a, b in timed))


def goals(results: Sequence[Result]) -> list[Goal]:
    """The goals of the kinds that have one, with the measured ratios."""
    return [
        Goal(f"{result.kind.name}, times as fast as by class", result.ratio, result.kind.goal, digits=1)
        for result in results
        if result.kind.goal is not None
    ]


def table(results: Sequence[Result]) -> list[str]:
    """A line for each kind of predictions, below a heading."""
    lines = [f"{'decoding, images/s':<28}{'by class':>10}{'together':>10}{'ratio':>8}"]
    for result in results:
        lines.append(f"{result.kind.name:<28}{result.by_class:>10,.0f}{result.together:>10,.0f}{result.ratio:>8.1f}")
    return lines


def _require_same_scores(kind: Kind, expected: Detections, found: Detections) -> None:
    """Except for the last bits: a softmax over the whole batch rounds differently from one over an image."""
    for name in ("counts", "scores"):
        if not np.allclose(getattr(expected, name), getattr(found, name), rtol=1e-6, atol=0.0):
            raise UserError(f"{kind.name}: both ways must find the same {name}, got different ones")


def main() -> None:
    """Measures all kinds and prints the table. Raises `UserError` if a goal is missed, unless `--nogoals`."""
    config = load_config(CONFIG)
    anchors = make_anchors(config.records.anchors, config.records.canvas)
    before = Conditions.now()
    results = [measure(kind, anchors, config.decode, rounds=FLAGS.rounds or ROUNDS) for kind in KINDS]
    report(before, f"{CONFIG}: {len(anchors):,} anchors; batch {BATCH}", table(results), goals(results))


if __name__ == "__main__":
    run_command(main)
