"""Evaluation of a network on a split: detections of every picture, compared as COCO does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from model.detection.coco import CocoResults, DetectedPicture
from model.detection.decoding import Detections, decode
from model.network.ssd import NetworkShape, build_network
from pipeline.config.run_config import DecodeConfig, ModelConfig
from pipeline.reader.dataset import evaluation_batches, named_read_errors, training_batches
from pipeline.records.manifest import Manifest

STATISTICS_BATCHES = 16


class Evaluator:
    """A network of its own, outside of any strategy, that detects and is evaluated.

    Under a strategy a batch-norm statistic has a value on each replica; here every weight has one.
    """

    def __init__(self, model: ModelConfig, shape: NetworkShape, decoding: DecodeConfig) -> None:
        self.shape = shape
        self.network = build_network(model, shape)
        pictures = tf.TensorSpec([None, shape.canvas_size, shape.canvas_size, 3], tf.uint8)

        @tf.function(input_signature=[pictures], autograph=False)
        def detect(images: tf.Tensor) -> Detections:
            return decode(self.network(images, training=False), shape.anchors, decoding)

        @tf.function(input_signature=[pictures], autograph=False)
        def normalise(images: tf.Tensor) -> None:
            self.network(images, training=True)

        self.detect, self._normalise = detect, normalise
        kinds = tf.keras.layers.BatchNormalization
        self._batch_norms = [layer for layer in self.network.layers if isinstance(layer, kinds)]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Takes over weights, in the order of `network.get_weights()`."""
        self.network.set_weights(weights)

    def fit_statistics(self, manifest: Manifest, *, batch: int, seed: int) -> None:
        """Computes the batch-norm statistics of the current weights, from a few training batches, always the same.

        Moving statistics are those of weights that were; and they begin at a variance of 1, which depthwise
        layers do not come near: after 300 steps a hundredth of it still outweighs them. (SWA, arXiv
        1803.05407, section 3.2; "precise" batch norm, arXiv 2105.07576, section 3.)
        """
        for layer in self._batch_norms:
            layer.momentum = 0.0  # a moving statistic becomes that of the last batch
        variables = [v for layer in self._batch_norms for v in (layer.moving_mean, layer.moving_variance)]
        sums = [np.zeros(variable.shape, np.float64) for variable in variables]
        with named_read_errors(manifest, "train"):
            for images, _ in training_batches(manifest, batch=batch, seed=seed).take(STATISTICS_BATCHES):
                self._normalise(images)
                for total, variable in zip(sums, variables, strict=True):
                    total += variable.numpy()
        for total, variable in zip(sums, variables, strict=True):
            variable.assign(total / STATISTICS_BATCHES)

    def evaluate(
        self,
        manifest: Manifest,
        split: str,
        *,
        batch: int,
        limit: int | None = None,
        pictures: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> CocoResults:
        """Detects in every picture of a split, or in its first `limit`, and compares.

        The first `pictures` are kept with their pixels; `progress` is told how many pictures were done.

        Raises `UserError` naming the shard where a record is broken.
        """
        results = CocoResults(manifest.class_names, manifest.canvas_size, keep=pictures)
        with named_read_errors(manifest, split):
            for images, truth in evaluation_batches(manifest, split, batch=batch, limit=limit):
                found = Detections(*(part.numpy() for part in self.detect(images)))
                for k, key in enumerate(truth["keys"].numpy()):
                    count = found.counts[k]
                    shown = DetectedPicture(
                        key=key.decode(),
                        picture=images[k].numpy(),
                        boxes=truth["boxes"][k].numpy(),
                        labels=truth["labels"][k].numpy(),
                        detected_boxes=found.boxes[k, :count],
                        detected_classes=found.classes[k, :count],
                        scores=found.scores[k, :count],
                    )
                    results.add(shown)
                if progress is not None:
                    progress(len(images))
        return results
