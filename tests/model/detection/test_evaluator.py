"""Statistics of the weights that are evaluated, against batch means and variances by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.detection.evaluator import STATISTICS_BATCHES, Evaluator
from model.network.ssd import NetworkShape
from pipeline.config.presets import IMPROVED_DECODE
from pipeline.reader.dataset import training_batches
from tests.model import tiny
from tests.record_sets import TINY, write_record_set


@pytest.mark.long
def test_statistics_are_those_of_the_current_weights(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    shape = NetworkShape(64, TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    evaluator.fit_statistics(manifest, batch=4, seed=3)
    network = evaluator.network
    stem = tf.keras.Model(network.input, network.get_layer("stem").output)
    means, variances = [], []
    for images, _ in training_batches(manifest, batch=4, seed=3, dense=True).take(STATISTICS_BATCHES):
        outputs = stem(images).numpy().astype(np.float64)
        means.append(outputs.mean(axis=(0, 1, 2)))
        # The fused kernel gives the variance of a sample, n - 1, to the moving statistic.
        variances.append(outputs.var(axis=(0, 1, 2), ddof=1))
    batch_norm = network.get_layer("stem_bn")
    np.testing.assert_allclose(batch_norm.moving_mean, np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(batch_norm.moving_variance, np.mean(variances, axis=0), rtol=1e-3)


def test_evaluation_counts_every_picture(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, test=10)
    shape = NetworkShape(64, TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    done: list[int] = []
    results = evaluator.evaluate(manifest, "test", batch=4, pictures=2, progress=done.append)
    assert done == [4, 4, 2] and len(results.ground_truth["images"]) == 10 and len(results.pictures) == 2
    assert len(evaluator.evaluate(manifest, "test", batch=4, limit=3).ground_truth["images"]) == 3
