"""The commands start without TensorFlow's start-up lines; no iterator of a training keeps its process for a minute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.distribution.tensorflow_workarounds import _unknown_lines_only
from pipeline.reader.dataset import read_evaluation_batches, read_training_batches
from pipeline.records.manifest import load_manifest
from tests.model.tiny import run_script
from tests.record_sets import write_record_set

PROJECT = Path(__file__).resolve().parents[3]


def errors_of(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.long
def test_a_start_prints_nothing() -> None:
    assert errors_of("import model.train, tensorflow as tf; tf.constant(1.0)") == ""


def test_ctrl_c_while_tensorflow_starts_is_one_line() -> None:
    script = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.startswith('tensorflow.python'):\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "import model\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (1, "error: interrupted while TensorFlow started\n")


def test_other_lines_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with _unknown_lines_only():
        os.write(2, b"E0000 cuda_platform.cc:52] failed call to cuInit\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


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
    for batches in (
        read_training_batches(manifest, batch=4, seed=0),
        read_evaluation_batches(manifest, "val", batch=4),
    ):
        assert batches.options().autotune.enabled is False
