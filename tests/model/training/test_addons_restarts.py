"""Every optimizer of tensorflow-addons under two replicas: stopped and resumed, a training ends with the same bits."""

from __future__ import annotations

import json

import pytest

from model.training.addons import OPTIMIZERS
from tests.model.tiny import run_script
from tests.model.training.test_addons import with_addons

# One process for all of them.
_SCRIPT = """
import json, shutil, tempfile
from pathlib import Path
import numpy as np
import model
import tensorflow as tf
from model.training.addons import AVERAGING, OPTIMIZERS, OptimizerAverages, cross_device_ops_for
from model.training.checkpoints import LastCheckpoints
from model.training.detector import Detector
from model.training.optimizers import make_optimizer
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from model.training.schedule import LearningRate
from model.distribution.strategies import make_strategy
from model.distribution.workers import Rank
from pipeline.reader.dataset import training_batches
from pipeline.config.presets import IMPROVED_LOSS
from pipeline.config.run_config import ScheduleConfig
from tests.model import tiny
from tests.model.small_training import small_network
from tests.model.training.test_restarts import last_state
from tests.record_sets import write_record_set

tf.keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
manifest = write_record_set(Path(tempfile.mkdtemp()))
strategy = make_strategy("mirrored", 2, cross_device_ops=cross_device_ops_for(OPTIMIZERS[0]))
rate = LearningRate(ScheduleConfig(kind="cosine", base=1e-3, warmup_steps=2), epoch_steps=3, epochs=2)

class Training:
    def __init__(self, name, folder):
        with strategy.scope():
            network = small_network()
            averages = name in AVERAGING
            self.detector = Detector(network, anchors=tiny.ANCHORS, background=tiny.CLASS_COUNT, loss=IMPROVED_LOSS,
                                     average_decay=None if averages else 0.9)
            optimizer = make_optimizer(name, rate, precision="float32", variables=network.trainable_variables)
            self.detector.compile(optimizer=optimizer)
            if averages:
                self.detector.averages = OptimizerAverages(optimizer, network.trainable_variables)
        self.progress = Progress()
        self.checkpoints = LastCheckpoints(RunFolder(folder), self.detector, self.progress, Rank())
        self.restored = self.checkpoints.restore()

    def go_on(self, steps):
        start = self.progress.step
        batches = training_batches(manifest, batch=8, seed=0, start_step=start, dense=True)
        self.detector.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
        self.progress.step += steps
        self.checkpoints.save()

def same(some, others):
    return len(some) == len(others) and all(np.array_equal(a, b) for a, b in zip(some, others))

found = {}
for name in OPTIMIZERS:
    folder, copy = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp()) / "run"
    whole = Training(name, folder)
    first = whole.detector.network.get_weights()
    whole.go_on(3)
    shutil.copytree(folder, copy)
    whole.go_on(3)
    stopped = Training(name, copy)
    stopped.go_on(3)
    expected, got = last_state(folder), last_state(copy)
    differ = [key for key in expected if key not in got or not np.array_equal(expected[key], got[key])]
    averaged = whole.detector.evaluation_weights()
    found[name] = {
        "learns": not any(np.array_equal(a, b) for a, b in zip(first, whole.detector.network.get_weights())),
        "finite": all(np.isfinite(w).all() for w in averaged),
        "averages": not same(averaged, whole.detector.network.get_weights()),
        "resumed": stopped.restored is not None and stopped.restored.endswith("step-3"),
        "slots": any("OPTIMIZER_SLOT" in key for key in expected),
        "other bits": differ + sorted(set(got) - set(expected)),
    }
print(json.dumps(found))
"""


@with_addons
@pytest.mark.long
def test_every_optimizer_goes_on_with_the_same_bits() -> None:
    found = json.loads(run_script(_SCRIPT).splitlines()[-1])
    expected = {"learns": True, "finite": True, "averages": True, "resumed": True, "slots": True, "other bits": []}
    assert found == dict.fromkeys(OPTIMIZERS, expected)
