"""Evaluates on val during training and keeps the best weights."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from model.detection.coco import DetectedImage
from model.detection.evaluator import Evaluator
from model.distribution.workers import Rank
from model.training.checkpoints import BestCheckpoint
from model.training.detector import Detector
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig
from pipeline.records.manifest import Manifest

IMAGES = 8  # of val, kept with their detections


class EvaluateOnVal(tf.keras.callbacks.Callback):
    """Evaluates the averaged weights on val and saves the best ones; also evaluates the raw weights, to compare.

    `images` holds the first images of val with their detections if the epoch was evaluated, else nothing.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        manifest: Manifest,
        *,
        folder: RunFolder,
        progress: Progress,
        training: TrainingConfig,
        rank: Rank,
    ) -> None:
        super().__init__()
        self.evaluator, self.manifest, self.rank = evaluator, manifest, rank
        self.best = BestCheckpoint(folder, evaluator.network)
        self.progress, self.training = progress, training
        self.images: list[DetectedImage] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds AP and AP50 to the logs of every n-th epoch and of the last."""
        self.images = []
        number, training = epoch + 1, self.training
        if number % training.evaluate_every and number != training.epochs:
            return
        detector: Detector = self.model
        averaged = detector.averages is not None
        # Batch-norm statistics are read from all ranks; after that the chief goes on alone.
        weights = detector.evaluation_weights()
        raw = detector.network.get_weights() if averaged else weights
        if not self.rank.is_chief:
            return
        evaluator = self.evaluator
        examples = self.manifest.examples("val")
        if averaged and examples:
            evaluator.set_weights(raw)
            logs.update({f"raw_{name}": value for name, value in self._on_val().items()})
        evaluator.set_weights(weights)
        if averaged:
            evaluator.fit_statistics(self.manifest, batch=training.batch, seed=training.seed)
        metrics = self._on_val(keep=IMAGES) if examples else {}
        if not metrics:  # with no scores to compare, the latest weights are the best known
            self.best.save(number)
            return
        logs.update(metrics)
        best = metrics["AP"] > self.progress.best_ap
        if best:
            self.progress.best_ap = metrics["AP"]
            self.best.save(number)
        line = f"epoch {number}: val AP {metrics['AP']:.4f}, AP50 {metrics['AP50']:.4f}"
        if averaged:
            line += f", raw weights AP {logs['raw_AP']:.4f}"
        print(f"{line}{', the best so far' if best else ''}", flush=True)

    def _on_val(self, *, keep: int = 0) -> dict[str, float]:
        """AP and AP50; nothing if val shows no object that counts, because COCO's figures are -1 then."""
        results = self.evaluator.evaluate(
            self.manifest,
            "val",
            batch=self.training.batch,
            limit=self.training.evaluate_examples,
            keep=keep,
        )
        self.images = results.images
        metrics = results.metrics()
        return {name: metrics[name] for name in ("AP", "AP50")} if metrics["AP"] >= 0 else {}
