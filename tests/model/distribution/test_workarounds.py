"""No iterator that a training reads has a tuning thread, which could keep its process for a minute after the end."""

from __future__ import annotations

from pathlib import Path

from pipeline.reader.dataset import evaluation_batches, training_batches
from pipeline.records.manifest import load_manifest
from tests.model.tiny import run_script
from tests.record_sets import write_record_set

# Prints for each device of a strategy whether its iterator is tuned, and what it gives.
SCRIPT = """
import tensorflow as tf
from model.distribution.strategies import make_strategy
strategy = make_strategy("mirrored", 2)
iterator = iter(strategy.experimental_distribute_dataset(tf.data.Dataset.range(8).batch(4)))
(worker,) = iterator._iterators
tuned = [device._dataset.options().autotune.enabled for device in worker._iterator._device_iterators]
print(tuned, [part.numpy().tolist() for part in next(iterator).values])
"""


def test_the_iterators_of_the_devices_are_not_tuned() -> None:
    assert run_script(SCRIPT).splitlines()[-1] == "[False, False] [[0, 1], [2, 3]]"


def test_the_reader_is_not_tuned(tmp_path: Path) -> None:
    write_record_set(tmp_path)
    manifest = load_manifest(str(tmp_path))
    for batches in (training_batches(manifest, batch=4, seed=0), evaluation_batches(manifest, "val", batch=4)):
        assert batches.options().autotune.enabled is False
