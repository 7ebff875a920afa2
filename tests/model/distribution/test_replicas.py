"""Two replicas with 16 images each and one with 32: the same gradients and losses. Statistics are averaged."""

from __future__ import annotations

import json

import pytest

from tests.model.tiny import run_script

# Batch norm uses its moving statistics here: in training every replica has its own.
_GRADIENTS = """
import json, sys
import numpy as np
import model
import tensorflow as tf
from model.training.step_losses import StepLosses
from model.training.train_step import TrainState, compute_gradients
from model.network.ssd import build_network
from model.distribution.strategies import make_strategy
from pipeline.config.presets import IMPROVED_LOSS
from tests.model import tiny
from tests.model.small_training import small_network

def detector_network():
    return build_network(tiny.MODEL, tiny.SHAPE)

bits = np.random.default_rng(0)
images = bits.integers(0, 256, (32, 64, 64, 3), dtype=np.uint8)
classes = np.where(bits.random((32, len(tiny.ANCHORS))) < 0.02, bits.integers(0, 3, (32, len(tiny.ANCHORS))), 3)
classes[20:] = 3  # the second replica has far fewer objects than the first
targets = {"classes": classes.astype(np.int32), "offsets": bits.normal(size=(*classes.shape, 4)).astype(np.float32)}

def gradients(strategy):
    tf.keras.utils.set_random_seed(0)
    with strategy.scope():
        network = {"small": small_network, "detector": detector_network}[sys.argv[1]]()
        state = TrainState(network, None, None, StepLosses())
    n = strategy.num_replicas_in_sync
    def share(value):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(np.split(value, n)[context.replica_id_in_sync_group])
        )
    shared = share(images), {name: share(value) for name, value in targets.items()}
    def on_replica(images, targets):
        return compute_gradients(state, images, targets, shape=tiny.SHAPE, loss=IMPROVED_LOSS,
                                 training=False)
    @tf.function
    def step(images, targets):
        return strategy.run(on_replica, (images, targets))
    found, parts = step(*shared)
    total = lambda value: strategy.reduce("SUM", value, axis=None).numpy()
    return [total(g) for g in found], {name: float(total(part)) for name, part in parts.items()}

two, two_parts = gradients(make_strategy("mirrored", 2))
one, one_parts = gradients(tf.distribute.OneDeviceStrategy("CPU:0"))
worst = max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)) for a, b in zip(two, one, strict=True))
print(json.dumps({"worst": worst, "two": two_parts, "one": one_parts}))
"""

_TRAINING = """
import json
import numpy as np
import model
import tensorflow as tf
from model.training.averages import AveragedWeights
from model.training.step_losses import StepLosses
from model.training.train_step import TrainState, make_train_step
from model.network.ssd import build_network
from model.distribution.strategies import make_strategy
from pipeline.reader.dataset import read_training_batches
from pipeline.config.presets import IMPROVED_LOSS
from tests.model import tiny
from tests.record_sets import write_record_set
from pathlib import Path
import tempfile

manifest = write_record_set(Path(tempfile.mkdtemp()), train=16)
strategy = make_strategy("mirrored", 2)
with strategy.scope():
    network = build_network(tiny.MODEL, tiny.SHAPE)
    optimizer = tf.keras.optimizers.SGD(1e-3, jit_compile=False)
    optimizer.build(network.trainable_variables)
    state = TrainState(network, optimizer, AveragedWeights(network, 0.5), StepLosses())
step = make_train_step(strategy, state, shape=tiny.SHAPE, loss=IMPROVED_LOSS)
batches = read_training_batches(manifest, batch=8, seed=0, dense=True).take(3)
for batch in strategy.experimental_distribute_dataset(batches):
    step(batch)
statistics = [w for w in network.non_trainable_weights]
own = [[v.numpy() for v in w.values] for w in statistics]
mean = [np.mean(values, axis=0) for values in own]
differ = any(not np.array_equal(*values) for values in own)
saved = {id(w): value for w, value in zip(network.weights, network.get_weights(), strict=True)}
close = all(np.allclose(saved[id(w)], m, rtol=1e-5, atol=1e-7) for w, m in zip(statistics, mean, strict=True))
equal = all(
    np.array_equal(average.values[0], average.values[1])
    for average in state.averages.averages
)
moved = any(not np.array_equal(a, w) for a, w in zip(state.get_evaluation_weights(), network.get_weights()))
print(json.dumps({"differ": differ, "close": close, "equal": equal, "moved": moved}))
"""


@pytest.mark.parametrize("network", ["small", pytest.param("detector", marks=pytest.mark.long)])
def test_gradients_and_loss_do_not_depend_on_the_number_of_replicas(network: str) -> None:
    found = json.loads(run_script(_GRADIENTS, network).splitlines()[-1])
    assert found["worst"] < 1e-5
    assert set(found["two"]) == {"loss", "class_loss", "offsets_loss"}
    for part, value in found["two"].items():
        assert abs(value - found["one"][part]) < 1e-4 * abs(value)


@pytest.mark.long
def test_saved_statistics_are_the_mean_over_replicas_and_averages_agree() -> None:
    found = json.loads(run_script(_TRAINING).splitlines()[-1])
    assert found == {"differ": True, "close": True, "equal": True, "moved": True}
