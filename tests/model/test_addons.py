"""tensorflow-addons: what its stack offers, and what the default stack says when it is asked for it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.addons import OPTIMIZERS, addons_giou_loss
from model.callbacks import read_history
from model.giou import giou_loss
from tests.model.tiny import run_command, run_script
from tests.record_sets import write_record_set

HERE = importlib.util.find_spec("tensorflow_addons") is not None
with_addons = pytest.mark.skipif(not HERE, reason="of the addons stack: make test STACK=addons")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_record_set(folder)
    return folder


@pytest.mark.skipif(HERE, reason="of stacks without tensorflow-addons")
@pytest.mark.parametrize("flag", ["--optimizer=tfa:lamb", "--box_loss=tfa:giou"])
def test_without_addons_the_error_says_how_to_get_them(flag: str, records: Path, tmp_path: Path) -> None:
    command = ("model.train", "--config=tiny", f"--records={records}", f"--run={tmp_path / 'run'}", flag)
    (line,) = (line for line in run_command(*command, status=1).splitlines() if line.startswith("error: "))
    assert f"{flag} needs tensorflow-addons" in line and "make train STACK=addons" in line


# Two replicas and a network of two layers: its graph is made in a moment, that of a detector takes half a minute.
_GOES_ON = """
import sys
import model
import numpy as np
import tensorflow as tf
from model.addons import OPTIMIZERS, cross_device_ops_for
from model.optimizers import make_optimizer
from model.schedule import LearningRate
from model.strategies import make_strategy
from pipeline.recipe import ScheduleConfig

strategy = make_strategy("mirrored", 2, cross_device_ops=cross_device_ops_for(OPTIMIZERS[0]))
rate = LearningRate(ScheduleConfig(kind="cosine", base=1e-2), epoch_steps=10, epochs=1)
inputs = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)

def made(name):
    tf.keras.utils.set_random_seed(0)
    with strategy.scope():
        network = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(8), tf.keras.layers.Dense(1)])
        optimizer = make_optimizer(name, rate, precision="float32", variables=network.trainable_variables)

    @tf.function
    def step():
        def of_replica():
            share = tf.constant(inputs)[tf.distribute.get_replica_context().replica_id_in_sync_group]
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(network(share) - tf.reduce_sum(share, axis=1, keepdims=True)))
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables))
            return loss
        return strategy.reduce("MEAN", strategy.run(of_replica), axis=None)

    return network, tf.train.Checkpoint(network=network, optimizer=optimizer), step

for name in OPTIMIZERS:
    network, checkpoint, step = made(name)
    losses = [float(step()) for _ in range(4)]
    path = checkpoint.write(sys.argv[1] + "/" + name.replace(":", "-"))
    losses += [float(step()) for _ in range(4)]
    assert losses[-1] < losses[0], (name, losses)
    other, again, step = made(name)
    again.read(path).assert_consumed()
    assert [float(step()) for _ in range(4)] == losses[4:], (name, losses)
    for found, wanted in zip(other.get_weights(), network.get_weights()):
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    print("went on", name)
"""


@with_addons
def test_every_optimizer_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    assert run_script(_GOES_ON, str(tmp_path)).count("went on") == len(OPTIMIZERS)


@with_addons
@pytest.mark.parametrize("optimizer", ["tfa:lamb", "tfa:ranger", "tfa:swa", "tfa:cyclical"])
def test_the_command_trains_two_replicas_and_goes_on(optimizer: str, records: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = (
        *("model.train", "--config=tiny", f"--records={records}", f"--run={run}", f"--optimizer={optimizer}"),
        *("--strategy=mirrored", "--replicas=2", "--box_loss=tfa:giou"),
    )
    printed = run_command(*command)
    assert "Warning" not in printed
    rows = read_history(run / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"] and all(0 < float(row["loss"]) < 30 for row in rows)
    assert json.loads((run / "config.json").read_text())["config"]["training"]["optimizer"] == optimizer
    assert "going on from" in run_command(*command)


@with_addons
def test_giou_is_that_of_addons() -> None:
    bits = np.random.default_rng(0)
    low = bits.uniform(0, 1, (2, 500, 2))
    boxes = np.concatenate([low, low + bits.uniform(0.01, 1, low.shape)], axis=-1).astype(np.float32)
    truth, found = (tf.constant(b) for b in boxes)
    np.testing.assert_allclose(giou_loss(truth, found), addons_giou_loss(truth, found), atol=1e-6)
