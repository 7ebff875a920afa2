"""The order of records: evaluation in the order of the files, training by seed and pass, shared by readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.reader.dataset import (
    Reader,
    count_steps_per_pass,
    list_keys_of_step,
    read_evaluation_batches,
    read_training_batches,
)
from tests.pipeline.reader.batches import batches, canvas, dense_batches, same
from tests.record_sets import TINY, make_records, write_record_set


def test_evaluation_keeps_the_order_of_the_files_and_the_last_partial_batch(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, test=10)
    records = {r.key: r for r in make_records(TINY, "test", 10)}
    keys, sizes = [], []
    for images, truth in read_evaluation_batches(manifest, "test", batch=4):
        sizes.append(len(images))
        for k, key in enumerate(truth["keys"].numpy()):
            record = records[key.decode()]
            keys.append(record.key)
            np.testing.assert_array_equal(truth["boxes"][k].numpy(), record.views[0].boxes)
            np.testing.assert_array_equal(truth["labels"][k].numpy(), record.views[0].labels)
    assert sizes == [4, 4, 2]
    assert keys == [f"test/test-{i}/0" for i in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)]
    limited = read_evaluation_batches(manifest, "test", batch=4, limit=5)
    assert [len(images) for images, _ in limited] == [4, 1]


def test_an_order_depends_on_seed_and_pass_alone(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=24)
    once, again = (batches(read_training_batches(manifest, batch=8, seed=1), 6) for _ in range(2))
    assert same(once, again)
    assert not same(once[:3], once[3:])  # the second pass has another order
    assert not same(once, batches(read_training_batches(manifest, batch=8, seed=2), 6))
    tf.random.set_seed(3)
    assert same(once, batches(read_training_batches(manifest, batch=8, seed=1), 6))
    serial = read_training_batches(manifest, batch=8, seed=1, parallel_calls=1)
    assert same(once, batches(serial, 6))


@pytest.mark.parametrize("start_step", [1, 2, 3, 7])
def test_a_stream_begins_at_any_step(tmp_path: Path, start_step: int) -> None:
    manifest = write_record_set(tmp_path, train=26)  # 3 batches of 8 a pass, 2 records left over
    assert count_steps_per_pass(manifest, 8) == 3
    whole = batches(read_training_batches(manifest, batch=8, seed=5), 10)
    assert same(
        whole[start_step:],
        batches(read_training_batches(manifest, batch=8, seed=5, start_step=start_step), 10 - start_step),
    )


def test_records_left_over_in_one_pass_come_in_another(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=10)
    seen = {image.tobytes() for images, _ in batches(dense_batches(manifest, batch=8, seed=0), 8) for image in images}
    assert len(seen) == 10


def test_readers_share_the_shards_and_no_record_is_read_by_two(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=25)  # shards of 9, 8 and 8 records
    assert count_steps_per_pass(manifest, 6, readers=3) == 4
    key_of = {canvas(r).tobytes(): r.key for r in make_records(TINY, "train", 25)}
    seen = []
    for index in range(3):
        reader = Reader(index, 3)
        parts = batches(dense_batches(manifest, batch=6, seed=1, reader=reader), 8)
        own = [[key_of[image.tobytes()] for image in images] for images, _ in parts]
        assert all(len(keys) == 2 for keys in own)
        assert len({key for keys in own[:4] for key in keys}) == 8  # one pass: nothing twice
        seen.append({key for keys in own for key in keys})
        later = dense_batches(manifest, batch=6, seed=1, start_step=5, reader=reader)
        assert same(parts[5:], batches(later, 3))
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_more_readers_than_shards_say_how_many_shards_are_needed(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=8)
    with pytest.raises(UserError, match=r"must have at least 4 training shards, one for each rank, got 3"):
        read_training_batches(manifest, batch=4, seed=0, reader=Reader(0, 4))


@pytest.mark.parametrize("readers", [1, 2])
def test_the_keys_of_a_step_are_those_of_its_images(tmp_path: Path, readers: int) -> None:
    manifest = write_record_set(tmp_path, train=26)
    key_of = {canvas(r).tobytes(): r.key for r in make_records(TINY, "train", 26)}
    for step in (0, 2, 7):
        parts = [
            dense_batches(manifest, batch=8, seed=5, start_step=step, reader=Reader(index, readers)).take(1)
            for index in range(readers)
        ]
        expected = [key_of[image.tobytes()] for part in parts for images, _ in part for image in images.numpy()]
        assert list_keys_of_step(manifest, batch=8, seed=5, step=step, readers=readers) == expected


def test_too_few_records_for_a_batch_say_so(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=5)
    with pytest.raises(UserError, match=r"--batch must be at most the 5 training records of .*, got 8"):
        read_training_batches(manifest, batch=8, seed=0)


def test_no_training_records_at_all_say_so(tmp_path: Path) -> None:
    manifest = write_record_set(tmp_path, train=0)
    with pytest.raises(UserError, match=r"^[^\n]* has no training records; choose another record set[^\n]*$"):
        read_training_batches(manifest, batch=1, seed=0)
