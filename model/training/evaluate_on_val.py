"""The evaluation of a training on val: of the averaged weights, and of the raw ones to compare."""

from __future__ import annotations

from model.detection.coco import DetectedImage
from model.detection.evaluator import Evaluator
from model.distribution.workers import Rank
from model.training.train_step import TrainState
from pipeline.config.run_config import TrainingConfig
from pipeline.records.manifest import Manifest

IMAGES = 8  # of val, drawn with their detections

Scores = dict[str, float]  # AP, AP50, raw_AP, raw_AP50 on val, as far as they are known


def evaluate_on_val(
    evaluator: Evaluator, state: TrainState, manifest: Manifest, training: TrainingConfig, *, rank: Rank
) -> tuple[Scores, list[DetectedImage]]:
    """Scores the averaged weights, which stay in the evaluator's network, and the raw ones, to compare.

    Returns:
        The scores, without any if val shows no object that counts, and the first images of val with their detections.
        Ranks other than 0 only take part in reading the weights.
    """
    averaged = state.averages is not None
    # Batch-norm statistics are read from all ranks; after that the chief goes on alone.
    weights = state.get_evaluation_weights()
    raw = state.network.get_weights() if averaged else weights
    if not rank.is_chief:
        return {}, []

    def on_val(prefix: str = "", *, keep: int = 0) -> tuple[Scores, list[DetectedImage]]:
        if not manifest.examples("val"):
            return {}, []
        batch, limit = training.batch, training.evaluate_examples
        results = evaluator.evaluate(manifest, "val", batch=batch, limit=limit, keep=keep)
        metrics = results.metrics()  # COCO's figures are -1 without objects
        return {prefix + name: metrics[name] for name in ("AP", "AP50") if metrics["AP"] >= 0}, results.images

    scores: Scores = {}
    if averaged:
        evaluator.set_weights(raw)
        scores, _ = on_val("raw_")
    evaluator.set_weights(weights)
    if averaged:
        evaluator.fit_statistics(manifest, batch=training.batch, seed=training.seed)
    own, images = on_val(keep=IMAGES)
    return {**scores, **own}, images
