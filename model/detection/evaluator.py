"""Evaluates a network on a split: detects in every image and compares with ground truth as COCO does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from model.detection.coco import CocoResults, DetectedImage, SourceFrame
from model.detection.decoding import Detections, decode
from model.network.ssd import NetworkShape, build_network
from pipeline.compositions.composition import SourceImage
from pipeline.compositions.random_bits import EntryBits
from pipeline.compositions.view import Rectangle, View
from pipeline.config.run_config import DecodeConfig, ModelConfig
from pipeline.errors import UserError
from pipeline.reader.dataset import name_read_errors, read_evaluation_batches, read_training_batches
from pipeline.records.keys import parse_image_id
from pipeline.records.manifest import Manifest
from pipeline.records.record import BrokenGroundTruth, unpack_ground_truth

STATISTICS_BATCHES = 16


class Evaluator:
    """Evaluates with a network of its own, outside any strategy.

    Under a strategy every replica has its own batch-norm statistics. Here every weight has one value.
    """

    def __init__(self, model: ModelConfig, shape: NetworkShape, decoding: DecodeConfig) -> None:
        self.shape = shape
        self.network = build_network(model, shape)
        canvases = tf.TensorSpec([None, *shape.canvas, 3], tf.uint8)

        @tf.function(input_signature=[canvases], autograph=False)
        def detect(images: tf.Tensor) -> Detections:
            outputs = self.network(images, training=False)
            return decode(outputs, shape.anchors, decoding, coder_weights=shape.coder_weights)

        @tf.function(input_signature=[canvases], autograph=False)
        def normalise(images: tf.Tensor) -> None:
            self.network(images, training=True)

        self.detect, self._normalise = detect, normalise
        kinds = tf.keras.layers.BatchNormalization
        self._batch_norms = [layer for layer in self.network.layers if isinstance(layer, kinds)]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Sets the weights, in the order of `network.get_weights()`."""
        self.network.set_weights(weights)

    def fit_statistics(self, manifest: Manifest, *, batch: int, seed: int) -> None:
        """Computes the batch-norm statistics of the current weights from a few training batches, always the same ones.

        Moving statistics belong to earlier weights, and do not fit averaged ones at all. They also start at a variance
        of 1. After 300 steps a hundredth of that is left, which still outweighs the real variances of depthwise
        layers. (SWA, arXiv 1803.05407, section 3.2; "precise" batch norm, arXiv 2105.07576, section 3.)
        """
        for layer in self._batch_norms:
            layer.momentum = 0.0  # a moving statistic becomes that of the last batch
        variables = [v for layer in self._batch_norms for v in (layer.moving_mean, layer.moving_variance)]
        sums = [np.zeros(variable.shape, np.float64) for variable in variables]
        with name_read_errors(manifest, "train"):
            batches = read_training_batches(manifest, batch=batch, seed=seed, dense=True)
            for images, _ in batches.take(STATISTICS_BATCHES):
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
        keep: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> CocoResults:
        """Detects in every image of a split, or in the first `limit`, and compares with ground truth.

        Keeps the first `keep` with their pixels. Calls `progress` with the number of images in every batch done.

        Raises `UserError` naming the shard if a record is broken.
        """
        results = CocoResults(manifest.class_names, manifest.canvas, category_ids=manifest.category_ids, keep=keep)
        with name_read_errors(manifest, split):
            for images, truth in read_evaluation_batches(manifest, split, batch=batch, limit=limit):
                found = Detections(*(part.numpy() for part in self.detect(images)))
                for k, key in enumerate(truth["keys"].numpy()):
                    count = found.counts[k]
                    shown = DetectedImage(
                        key=key.decode(),
                        image=images[k].numpy(),
                        boxes=truth["boxes"][k].numpy(),
                        labels=truth["labels"][k].numpy(),
                        detected_boxes=found.boxes[k, :count],
                        detected_classes=found.classes[k, :count],
                        scores=found.scores[k, :count],
                    )
                    results.add(shown, find_source_frame(truth, k, manifest))
                if progress is not None:
                    progress(len(images))
        return results


def find_source_frame(truth: dict[str, Any], index: int, manifest: Manifest) -> SourceFrame | None:
    """The source's image behind entry `index` of an evaluation batch; None if it has no boxes of its own.

    Raises `BrokenGroundTruth` for impossible objects, `BrokenImageId` or `UnicodeDecodeError` for an invalid id, and
    `UserError` if the objects are not those on the canvas.
    """
    composition = manifest.config.composition
    if not composition.takes_boxes:
        return None
    height, width = truth["source_sizes"][index].numpy().tolist()
    objects = unpack_ground_truth(truth["objects"][index].numpy())
    if (objects.labels >= manifest.background).any():
        raise BrokenGroundTruth(f"labels must be below {manifest.background}")
    key = truth["keys"][index].numpy().decode()
    image = SourceImage((height, width), truth=objects)
    layout = composition.layout(image, views=1, bits=EntryBits(manifest.config.seed, key), evaluation=True)
    ((boxes, labels),) = layout.truths()
    place = layout.views[0].place
    drawn = place.shape == tuple(truth["places"][index].numpy().tolist())
    stored = truth["boxes"][index].numpy(), truth["labels"][index].numpy()
    if not (drawn and np.array_equal(boxes, stored[0]) and np.array_equal(labels, stored[1])):
        raise UserError(
            f"{manifest.folder}: record {key}: its boxes on the canvas are not those of its ground truth; "
            "run `make verify FULL=1`, which checks every record"
        )
    image_id = truth["image_ids"][index].numpy().decode()
    return SourceFrame(
        view=View(Rectangle(0, 0, height, width), place, mirrored=False),
        truth=objects,
        image_id=parse_image_id(image_id) if image_id else None,
    )
