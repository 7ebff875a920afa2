"""Augmented streams: draws that can be found again at any step, and the plain stream where everything is off."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.augmentation import add_draws, unpack_augmented, unpack_batches
from pipeline.config.run_config import AugmentConfig
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.dataset import ONLY_READER, Reader, read_training_batches
from pipeline.records.manifest import Manifest
from tests.record_sets import write_record_set

FLIP = AugmentConfig(flip=True)
ALL = AugmentConfig(flip=True, colour=0.3, cutouts=2, cutout_side=0.2)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_record_set(tmp_path_factory.mktemp("records"), train=26)  # 3 batches of 8 a pass


@pytest.fixture(scope="module")
def whole(manifest: Manifest) -> list[Any]:
    return stream(manifest, ALL, steps=9)


def stream(
    manifest: Manifest,
    config: AugmentConfig,
    *,
    steps: int,
    seed: int = 5,
    start_step: int = 0,
    reader: Reader = ONLY_READER,
    parallel_calls: int = tf.data.AUTOTUNE,
) -> list[Any]:
    """The first batches of a stream, augmented as training on a CPU does it."""
    plain = read_training_batches(
        manifest, batch=8, seed=seed, start_step=start_step, reader=reader, parallel_calls=parallel_calls
    )
    drawn = add_draws(plain, config, canvas=(64, 64), seed=seed, start_step=start_step, reader=reader)
    unpack = partial(unpack_augmented, spec=make_batch_spec(manifest, "train"), config=config)
    return list(unpack_batches(drawn, unpack).take(steps).as_numpy_iterator())


def same(some: Iterable[Any], others: Iterable[Any]) -> bool:
    pairs = zip(tf.nest.flatten(list(some)), tf.nest.flatten(list(others)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_about_half_of_the_images_are_flipped(manifest: Manifest) -> None:
    plain, flipped = (stream(manifest, config, steps=40) for config in (AugmentConfig(), AugmentConfig(flip=True)))
    changed = 0
    for (images, targets), (flipped_images, flipped_targets) in zip(plain, flipped, strict=True):
        for k in range(8):
            mirrored = not np.array_equal(images[k], flipped_images[k])
            order = manifest.anchors.mirrored if mirrored else slice(None)
            np.testing.assert_array_equal(images[k, :, ::-1] if mirrored else images[k], flipped_images[k])
            np.testing.assert_array_equal(targets["classes"][k][order], flipped_targets["classes"][k])
            changed += mirrored
    assert 120 < changed < 200  # of 320: 160, and 9 for one standard deviation


def test_one_change_does_not_move_the_draws_of_another(manifest: Manifest, whole: list[Any]) -> None:
    flipped = stream(manifest, FLIP, steps=9)
    assert same([targets for _, targets in flipped], [targets for _, targets in whole])


@pytest.mark.parametrize("start_step", [1, 3, 7])
def test_an_augmented_stream_begins_at_any_step(manifest: Manifest, whole: list[Any], start_step: int) -> None:
    assert same(whole[start_step:], stream(manifest, ALL, steps=9 - start_step, start_step=start_step))


def test_the_seed_decides_and_neither_threads_nor_the_global_seed(manifest: Manifest, whole: list[Any]) -> None:
    tf.random.set_seed(3)
    assert same(whole, stream(manifest, ALL, steps=9, parallel_calls=1))
    assert not same(whole, stream(manifest, ALL, steps=9, seed=6))


@pytest.mark.long
def test_a_reader_goes_on_alike_and_another_one_draws_differently(manifest: Manifest) -> None:
    second = Reader(1, 2)
    parts = stream(manifest, ALL, steps=5, reader=second)
    assert parts[0][0].shape == (4, 64, 64, 3)
    assert same(parts[3:], stream(manifest, ALL, steps=2, start_step=3, reader=second))
    plain = read_training_batches(manifest, batch=8, seed=5, reader=second)
    as_first = add_draws(plain, ALL, canvas=(64, 64), seed=5, reader=Reader(0, 2))
    for part, other in zip(parts, as_first, strict=False):
        assert not same([part[0]], [unpack_augmented(other, spec=make_batch_spec(manifest, "train"), config=ALL)[0]])


def test_with_everything_off_the_dataset_is_the_same_one(manifest: Manifest) -> None:
    batches = read_training_batches(manifest, batch=8, seed=5)
    assert add_draws(batches, AugmentConfig(cutout_side=0.5), canvas=(64, 64), seed=5) is batches


def test_shapes_types_and_options_are_those_of_the_plain_stream(manifest: Manifest) -> None:
    sparse = add_draws(read_training_batches(manifest, batch=8, seed=5), ALL, canvas=(64, 64), seed=5)
    changed = unpack_batches(sparse, partial(unpack_augmented, spec=make_batch_spec(manifest, "train"), config=ALL))
    dense = read_training_batches(manifest, batch=8, seed=5, dense=True)
    assert changed.element_spec == dense.element_spec
    assert changed.options() == dense.options()


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_in_the_training_step_a_batch_becomes_the_same(manifest: Manifest, whole: list[Any], compiled: bool) -> None:
    """As on an accelerator: unpacked and augmented by matrices, on a replica's own device."""
    unpack = partial(unpack_augmented, spec=make_batch_spec(manifest, "train"), config=ALL, by_matrices=True)
    step = tf.function(unpack, autograph=False, jit_compile=compiled)
    sparse = add_draws(read_training_batches(manifest, batch=8, seed=5), ALL, canvas=(64, 64), seed=5)
    assert same([step(batch) for batch in sparse.take(4)], whole[:4])
