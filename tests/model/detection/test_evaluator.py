"""Statistics of the weights that are evaluated, against batch means and variances by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.detection.evaluator import STATISTICS_BATCHES, Evaluator
from model.network.ssd import NetworkShape
from pipeline.compositions.composition import GroundTruth
from pipeline.config.presets import IMPROVED_DECODE
from pipeline.errors import UserError
from pipeline.reader.dataset import read_training_batches
from pipeline.records.manifest import load_manifest
from pipeline.records.record import Record
from tests.beam_jobs.forged_set import forge
from tests.beam_jobs.image_source import CLASSES, write_images
from tests.beam_jobs.record_job import IMAGES, make_set, read_shards
from tests.model import tiny
from tests.record_sets import TINY, write_record_set


@pytest.mark.long
def test_statistics_are_those_of_the_current_weights(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path)
    shape = NetworkShape((64, 64), TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    evaluator.fit_statistics(manifest, batch=4, seed=3)
    network = evaluator.network
    stem = tf.keras.Model(network.input, network.get_layer("stem").output)
    means, variances = [], []
    for images, _ in read_training_batches(manifest, batch=4, seed=3, dense=True).take(STATISTICS_BATCHES):
        outputs = stem(images).numpy().astype(np.float64)
        means.append(outputs.mean(axis=(0, 1, 2)))
        # The fused kernel gives the variance of a sample, n - 1, to the moving statistic.
        variances.append(outputs.var(axis=(0, 1, 2), ddof=1))
    batch_norm = network.get_layer("stem_bn")
    np.testing.assert_allclose(batch_norm.moving_mean, np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(batch_norm.moving_variance, np.mean(variances, axis=0), rtol=1e-3)


def test_evaluation_counts_every_image(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, test=10)
    shape = NetworkShape((64, 64), TINY.anchors.strides, tiny.ANCHORS, tiny.CLASS_COUNT)
    evaluator = Evaluator(tiny.MODEL, shape, IMPROVED_DECODE)
    done: list[int] = []
    results = evaluator.evaluate(manifest, "test", batch=4, keep=2, progress=done.append)
    assert done == [4, 4, 2] and len(results.ground_truth["images"]) == 10 and len(results.images) == 2
    assert len(evaluator.evaluate(manifest, "test", batch=4, limit=3).ground_truth["images"]) == 3


def with_source(**change: Any) -> Callable[[Record], Record]:
    """With another source image."""
    return lambda record: replace(record, drawn=(replace(record.drawn[0], **change),))


def with_truth(change: Callable[[GroundTruth], dict[str, Any]]) -> Callable[[Record], Record]:
    """With other ground truth."""

    def changed(record: Record) -> Record:
        assert record.truth is not None
        return with_source(truth=replace(record.truth, **change(record.truth)))(record)

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda r: with_source(size=(2 * r.drawn[0].size[0], 2 * r.drawn[0].size[1]))(r),
        with_source(size=(10**6, 10**6)),
        with_source(truth=None, label=0),
        with_truth(lambda truth: {"labels": 1 - truth.labels}),
        with_truth(lambda truth: {"corners": truth.corners + 1}),
        with_source(image_id='"x'),
    ],
    ids=["twice the size", "a huge size", "no objects", "other classes", "other boxes", "no id"],
)
def test_objects_that_are_not_those_on_the_canvas_are_named(change: Callable[[Record], Record], tmp_path: Path) -> None:
    """They moved AP without a word: figures are computed in the source's own pixels."""
    records = tmp_path / "records"
    make_set(records, IMAGES, source=write_images(tmp_path / "images", 12))
    key = next(iter(read_shards(records)))[2].key
    name = forge(records, lambda stored: [change(stored[0]), *stored[1:]])
    manifest = load_manifest(str(records))
    shape = NetworkShape((64, 64), IMAGES.anchors.strides, manifest.anchors, len(CLASSES))
    with pytest.raises(UserError, match=f"{name}: record 0|record {key}: "):
        Evaluator(tiny.MODEL, shape, IMPROVED_DECODE).evaluate(manifest, "train", batch=4)
