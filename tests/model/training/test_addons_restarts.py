"""Every optimizer of tensorflow-addons under two replicas: stopped and gone on with, it ends with the same bits."""

from __future__ import annotations

import json

from model.training.addons import OPTIMIZERS
from tests.model.tiny import run_script
from tests.model.training.test_addons import with_addons

# One process for all of them, on a network of each kind of layer that the detector has: what takes the time of a
# training is building the update of every variable, and the detector has hundreds.
_SCRIPT = """
import json, shutil, tempfile
from pathlib import Path
import numpy as np
import model
import tensorflow as tf
from model.training.addons import AVERAGING, OPTIMIZERS, OptimizerAverages, cross_device_ops_for
from model.training.checkpoints import LastCheckpoints, Progress
from model.training.detector import Detector
from model.training.optimizers import make_optimizer
from model.training.run_folder import RunFolder
from model.training.schedule import LearningRate
from model.distribution.strategies import make_strategy
from model.distribution.workers import Worker
from pipeline.reader.dataset import training_batches
from pipeline.config.presets import IMPROVED_LOSS
from pipeline.config.run_config import ScheduleConfig
from tests.model import tiny
from tests.model.training.test_restarts import last_state
from tests.record_sets import write_record_set

layers = tf.keras.layers
tf.keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
manifest = write_record_set(Path(tempfile.mkdtemp()))
strategy = make_strategy("mirrored", 2, cross_device_ops=cross_device_ops_for(OPTIMIZERS[0]))
rate = LearningRate(ScheduleConfig(kind="cosine", base=1e-3, warmup_steps=2), epoch_steps=3, epochs=2)

def small_network():
    images = layers.Input([64, 64, 3], dtype=tf.uint8)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.Conv2D(4, 3, strides=4, use_bias=False, kernel_regularizer=tf.keras.regularizers.L2(4e-5))(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, strides=4, use_bias=False)(x))
    n = len(tiny.ANCHORS)
    outputs = {
        "logits": layers.Reshape([n, tiny.CLASS_COUNT + 1])(layers.Dense(n * (tiny.CLASS_COUNT + 1))(x)),
        "offsets": layers.Reshape([n, 4])(layers.Dense(n * 4)(x)),
    }
    return tf.keras.Model(images, outputs)

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
                self.detector.averages = OptimizerAverages(optimizer)
        self.progress = Progress.begin()
        self.checkpoints = LastCheckpoints(RunFolder(folder), self.detector, self.progress, Worker())
        self.restored = self.checkpoints.restore()

    def go_on(self, steps):
        start = int(self.progress.step)
        batches = training_batches(manifest, batch=8, seed=0, start_step=start)
        self.detector.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)
        self.progress.step.assign_add(steps)
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
        "goes on": stopped.restored is not None and stopped.restored.endswith("step-3"),
        "slots": any("OPTIMIZER_SLOT" in key for key in expected),
        "other bits": differ + sorted(set(got) - set(expected)),
    }
print(json.dumps(found))
"""


@with_addons
def test_every_optimizer_goes_on_with_the_same_bits() -> None:
    found = json.loads(run_script(_SCRIPT).splitlines()[-1])
    expected = {"learns": True, "finite": True, "averages": True, "goes on": True, "slots": True, "other bits": []}
    assert found == dict.fromkeys(OPTIMIZERS, expected)
