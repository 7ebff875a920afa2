"""The notebook's generator gives the same targets as our code: otherwise their rates could not be compared."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.notebook_generator import NotebookGenerator
from pipeline.compositions.resize import paint_view, resize
from pipeline.compositions.view import Rectangle, View
from pipeline.config.presets import BASELINE_ANCHORS, BASELINE_MATCHING, IMPROVED_ANCHORS, IMPROVED_MATCHING
from pipeline.geometry.anchors import AnchorConfig, make_anchors
from pipeline.geometry.boxes import Array
from pipeline.geometry.matching import MatchingConfig
from tests.one_view import encode_targets

CLASSES = 10
PRESETS = pytest.mark.parametrize(
    ("anchor_config", "matching"),
    [(BASELINE_ANCHORS, BASELINE_MATCHING), (IMPROVED_ANCHORS, IMPROVED_MATCHING)],
    ids=["baseline", "improved"],
)


def make_generator(anchors: AnchorConfig, matching: MatchingConfig, count: int) -> NotebookGenerator:
    random = np.random.default_rng(0)
    images = random.integers(1, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, count)
    return NotebookGenerator(images, labels, anchors=anchors, matching=matching, batch=8)


def assert_same(
    encoded: Array,
    corners: NDArray[np.float64],
    labels: NDArray[np.int64],
    config: AnchorConfig,
    matching: MatchingConfig,
) -> None:
    """Compares one image's dense targets with ours, made dense. Corners are in pixels."""
    anchors = make_anchors(config, (224, 224))
    targets, _ = encode_targets((corners / 224).astype(np.float32), labels, anchors=anchors, matching=matching)
    one_hot = np.zeros((len(anchors), CLASSES + 1))
    one_hot[:, CLASSES] = 1
    one_hot[targets.ignored] = 0
    one_hot[targets.anchors] = np.eye(CLASSES + 1)[targets.classes]
    offsets = np.zeros((len(anchors), 4))
    offsets[targets.anchors] = targets.offsets
    np.testing.assert_array_equal(encoded[:, : CLASSES + 1], one_hot)
    np.testing.assert_allclose(encoded[:, -8:-4], offsets, rtol=0, atol=1e-6)
    np.testing.assert_allclose(encoded[:, -4:], anchors.centroids, rtol=0, atol=1e-15)


@PRESETS
def test_its_scatter_targets_are_ours(anchor_config: AnchorConfig, matching: MatchingConfig) -> None:
    generator = make_generator(anchor_config, matching, 64)
    assert len(generator) == 8
    for index in range(len(generator)):
        canvases, encoded = generator[index]
        assert canvases.shape == (8, 224, 224, 3) and canvases.dtype == np.float64
        assert encoded.dtype == np.float64
        for i in range(8):
            number = index * 8 + i
            low = np.array([generator.xmin[number], generator.ymin[number]])
            corners = np.concatenate([low, low + 64])[None].astype(np.float64)
            assert_same(encoded[i], corners, generator.labels[number : number + 1], anchor_config, matching)


@PRESETS
def test_its_targets_are_ours_for_several_objects_and_for_none(
    anchor_config: AnchorConfig, matching: MatchingConfig
) -> None:
    random = np.random.default_rng(1)
    generator = make_generator(anchor_config, matching, 8)
    truths = []
    for count in (0, 1, 2, 3, 5, 12):
        low = random.integers(0, 150, (count, 2))
        high = low + random.integers(10, 74, (count, 2))
        labels = random.integers(0, CLASSES, (count, 1))
        truths.append(np.concatenate([labels, low, high], axis=1).astype(np.float64))
    for truth, encoded in zip(truths, generator.encode(truths), strict=True):
        assert_same(encoded, truth[:, 1:], truth[:, 0].astype(np.int64), anchor_config, matching)


def test_its_canvases_are_ours_to_within_a_grey_level() -> None:
    """It resizes with OpenCV's usual bilinear interpolation, we with the bit-exact one."""
    generator = make_generator(BASELINE_ANCHORS, BASELINE_MATCHING, 8)
    canvases, _ = generator[0]
    for i in range(8):
        window = Rectangle(int(generator.xmin[i]), int(generator.ymin[i]), 64, 64)
        view = View(Rectangle(0, 0, 64, 64), window, mirrored=False)
        ours = paint_view(resize(generator.images[i], (64, 64)), view, canvas=(224, 224))
        assert np.abs(canvases[i] - ours).max() <= 1
