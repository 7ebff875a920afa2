"""How the notebook makes training data, for comparison: a generator that matches again for every batch.

docs/baseline.md explains the notebook. This is our own version of its generator, at the same cost: anchors from nested
loops, a float64 template [batch, anchors, classes + 4 + 4] tiled for every batch, float64 canvases, IoU of arrays
repeated by `np.tile`, dense targets. As in the notebook, x is the row, so `[xmin, ymin, xmax, ymax]` is our
`[ymin, xmin, ymax, xmax]`. Rates are comparable only if targets are equal, so its mistakes are corrected: the second
pass takes the ground truth of highest IoU (not the IoU truncated to an integer), an IoU of 0 never matches, boxes are
rounded to float32, and IoUs to 9 decimals before they are compared.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry.anchors import AnchorConfig
from pipeline.geometry.boxes import Array
from pipeline.geometry.matching import MatchingConfig


class NotebookGenerator:
    """Batches of (canvases, dense targets) by index, like a `keras.utils.Sequence`."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        *,
        anchors: AnchorConfig,
        matching: MatchingConfig,
        classes: int = 10,
        canvas_size: int = 224,
        object_size: int = 64,
        batch: int = 32,
        seed: int = 0,
    ) -> None:
        """Draws a place on the canvas for every image, once.

        Args:
            images: [M, h, w, 3] RGB.
            labels: 0-based classes, [M]; background is the index after the last.
            anchors: any preset's.
            matching: thresholds.
            classes: their number, background not counted.
            canvas_size: pixels, both ways.
            object_size: pixels, both ways, of an image on its canvas.
            batch: images in a batch; the last, incomplete batch is dropped.
            seed: of the places.
        """
        self.images, self.labels = images, labels
        self.anchors, self.matching = anchors, matching
        self.classes = classes
        self.canvas_size, self.object_size = canvas_size, object_size
        self.batch = batch
        random = np.random.default_rng(seed)
        self.xmin = random.integers(0, canvas_size - object_size, len(images))
        self.ymin = random.integers(0, canvas_size - object_size, len(images))

    def __len__(self) -> int:
        return len(self.images) // self.batch

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        """A batch: float64 canvases [B, H, W, 3] and the targets that `encode` returns."""
        chosen = np.arange(index * self.batch, (index + 1) * self.batch)
        canvases, truths = self.convert_images(chosen)
        return canvases, self.encode(truths)

    def convert_images(self, chosen: NDArray[np.int64]) -> tuple[Array, list[Array]]:
        """Pastes resized images onto black canvases.

        Returns:
            The canvases, [B, H, W, 3], and the ground truth of each, [1, 5]: label, and corners in pixels.
        """
        canvases = np.zeros((len(chosen), self.canvas_size, self.canvas_size, self.images.shape[-1]))
        truths = []
        side = self.object_size
        for i, number in enumerate(chosen):
            xmin, ymin = self.xmin[number], self.ymin[number]
            resized = cv2.resize(self.images[number], dsize=(side, side), interpolation=cv2.INTER_LINEAR)
            canvases[i, xmin : xmin + side, ymin : ymin + side, :] = resized
            truths.append(np.array([[self.labels[number], xmin, ymin, xmin + side, ymin + side]], np.float64))
        return canvases, truths

    def encode(self, truths: list[Array]) -> Array:
        """Encodes the dense targets of a batch.

        Args:
            truths: for each image, [G, 5]: label, and corners in pixels.

        Returns:
            [B, N, classes + 1 + 4 + 4] float64: the one-hot class (all zeros for ignored anchors), the offsets to the
            ground truth (0 for background), and the anchor as centroids.
        """
        kinds = self.classes + 1
        encoded = self.template(len(truths))
        one_hot = np.eye(kinds)
        ignore_iou = self.matching.ignore_iou or self.matching.positive_iou  # anchors from there on are already matched
        for i, truth in enumerate(truths):
            if len(truth) == 0:
                continue
            corners = (truth[:, 1:] / self.canvas_size).astype(np.float32).astype(np.float64)
            classes = one_hot[truth[:, 0].astype(int)]
            similarities = np.round(calc_iou(corners, encoded[i, :, -4:]), 9)

            matched_truths, matches = match_bipartite_greedy(similarities)
            encoded[i, matches, :kinds] = classes[matched_truths]
            encoded[i, matches, -8:-4] = corners[matched_truths]
            similarities[:, matches] = 0

            matched_truths, matches = match_multi(similarities, self.matching.positive_iou)
            encoded[i, matches, :kinds] = classes[matched_truths]
            encoded[i, matches, -8:-4] = corners[matched_truths]
            similarities[:, matches] = 0

            ignored = np.nonzero(np.amax(similarities, axis=0) >= ignore_iou)[0]
            encoded[i, ignored, self.classes] = 0

        encoded[:, :, :-4] = corners_to_centroids(encoded[:, :, :-4])
        encoded = corners_to_centroids(encoded)
        encoded[:, :, [-8, -7]] -= encoded[:, :, [-4, -3]]
        encoded[:, :, [-8, -7]] /= encoded[:, :, [-2, -1]]
        encoded[:, :, [-6, -5]] = np.log(encoded[:, :, [-6, -5]] / encoded[:, :, [-2, -1]])
        return encoded

    def template(self, batch: int) -> Array:
        """All anchors as background, their corners twice, tiled: [batch, N, classes + 1 + 4 + 4]."""
        config = self.anchors
        scales = [*config.scales, config.scale_after_last]
        maps = []
        for k, (stride, ratios) in enumerate(zip(config.strides, config.aspect_ratios, strict=True)):
            cells = math.ceil(self.canvas_size / stride)
            unit = 1 / cells if config.relative_to == "cell" else 1.0
            scale, next_scale = config.scales[k], scales[k + 1]
            boxes = len(ratios) + (config.scale_after_last is not None)
            box_tensor = np.zeros((cells * cells * boxes, 4))
            for i in range(cells):
                for j in range(cells):
                    for b in range(boxes):
                        at = (i * cells + j) * boxes + b
                        box_tensor[at, 0] = (0.5 + i) / cells
                        box_tensor[at, 1] = (0.5 + j) / cells
                        if b < len(ratios):
                            box_tensor[at, 2] = scale / math.sqrt(ratios[b]) * unit
                            box_tensor[at, 3] = scale * math.sqrt(ratios[b]) * unit
                        elif next_scale is not None:
                            box_tensor[at, 2:] = math.sqrt(scale * next_scale) * unit
            maps.append(centroids_to_corners(box_tensor))
        anchors = np.concatenate(maps, axis=0)
        class_tensor = np.zeros((len(anchors), self.classes + 1))
        encoded = np.tile(np.concatenate((class_tensor, anchors, anchors), axis=1), (batch, 1, 1))
        encoded[:, :, self.classes] = 1
        return encoded


def calc_iou(truths: Array, anchors: Array) -> Array:
    """IoU of corner boxes, [m, 4] and [n, 4] -> [m, n], through four tiled arrays of [m, n, 2]."""
    m, n = len(truths), len(anchors)

    def over_anchors(values: Array) -> Array:
        return np.tile(np.expand_dims(values, axis=1), reps=(1, n, 1))

    def over_truths(values: Array) -> Array:
        return np.tile(np.expand_dims(values, axis=0), reps=(m, 1, 1))

    min_xy = np.maximum(over_anchors(truths[:, 0:2]), over_truths(anchors[:, 0:2]))
    max_xy = np.minimum(over_anchors(truths[:, 2:4]), over_truths(anchors[:, 2:4]))
    intersection = np.maximum((max_xy - min_xy)[:, :, 0], 0) * np.maximum((max_xy - min_xy)[:, :, 1], 0)
    truth_edges = over_anchors(truths[:, 2:4] - truths[:, 0:2])
    anchor_edges = over_truths(anchors[:, 2:4] - anchors[:, 0:2])
    union = truth_edges[:, :, 0] * truth_edges[:, :, 1] + anchor_edges[:, :, 0] * anchor_edges[:, :, 1] - intersection
    return np.asarray(intersection / union, np.float64)


def match_bipartite_greedy(weights: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gives every ground truth its best free anchor, the best pair first. [m, n] -> ground truths and their anchors."""
    left = np.copy(weights)
    rows = list(range(len(left)))
    truths, anchors = [], []
    for _ in rows:
        largest = np.argmax(left, axis=1)
        values = left[rows, largest]
        truth = int(np.argmax(values))
        if values[truth] == 0:
            break
        truths.append(truth)
        anchors.append(int(largest[truth]))
        left[truth, :] = 0
        left[:, largest[truth]] = 0
    return np.array(truths, np.int64), np.array(anchors, np.int64)


def match_multi(weights: Array, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The anchors that overlap a ground truth enough. [m, n] -> the best ground truth of each, and the anchors."""
    largest = np.argmax(weights, axis=0)
    values = weights[largest, list(range(weights.shape[1]))]
    anchors = np.nonzero(values >= threshold)[0]
    return largest[anchors], anchors


def centroids_to_corners(boxes: Array) -> Array:
    """A copy with its last four columns as corners instead of centroids."""
    converted = np.copy(boxes)
    for axis in (-4, -3):
        converted[..., axis] = boxes[..., axis] - boxes[..., axis + 2] / 2
        converted[..., axis + 2] = boxes[..., axis] + boxes[..., axis + 2] / 2
    return converted


def corners_to_centroids(boxes: Array) -> Array:
    """A copy with its last four columns as centroids instead of corners."""
    converted = np.copy(boxes)
    for axis in (-4, -3):
        converted[..., axis] = (boxes[..., axis] + boxes[..., axis + 2]) / 2
        converted[..., axis + 2] = boxes[..., axis + 2] - boxes[..., axis]
    return converted
