"""Computes with some number of replicas: gradients of a step, weights after SGD steps, losses of a training run.

`benchmarks.replicas` runs it for several numbers and compares.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import model  # noqa: F401  (chooses the Keras before TensorFlow is imported)

# isort: split
import numpy as np
import tensorflow as tf
from absl import flags, logging

from configs import config_names, load_config
from model.distribution.strategies import make_strategy
from model.network.ssd import build_network
from model.training.checkpoints import restore_best
from model.training.optimizers import make_optimizer
from model.training.run_folder import RunFolder, describe_run
from model.training.schedule import LearningRate
from model.training.step_losses import StepLosses
from model.training.train_step import TrainState, compute_gradients, make_train_step
from pipeline.command_line import run_command
from pipeline.reader.dataset import count_steps_per_pass, read_training_batches
from pipeline.records.manifest import load_manifest

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_small", f"One of {', '.join(config_names())}.")
flags.DEFINE_string("records", None, "Folder of the record set.", required=True)
flags.DEFINE_string("run", None, "A run of that configuration, to start from its best weights. Default: new weights.")
flags.DEFINE_integer("replicas", 1, "Replicas that share the global batch, on this machine's CPU.", lower_bound=1)
flags.DEFINE_integer(
    "steps", 50, "Steps of SGD, and as many of the recipe's optimizer; 0: only the gradients.", lower_bound=0
)
flags.DEFINE_float("rate", 1e-4, "Learning rate of SGD.")
flags.DEFINE_bool("float64", False, "Run the network in float64, where rounding hardly matters.")
flags.DEFINE_string("output", None, "The npz file to write.", required=True)


def main() -> None:
    """Writes the arrays `gradient_k`, `weight_k` after SGD, and `losses` of the recipe."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    strategy = make_strategy("mirrored", FLAGS.replicas)
    config = load_config(FLAGS.config)
    config = replace(config, model=replace(config.model, synchronized_batch_norm=True))
    training = config.training
    manifest = load_manifest(FLAGS.records)
    run = describe_run(config, manifest)
    weights = None
    if FLAGS.run:
        trained = build_network(config.model, run.shape)
        restore_best(RunFolder(Path(FLAGS.run)), trained)
        weights = trained.get_weights()
    if FLAGS.float64:
        tf.keras.backend.set_floatx("float64")

    def make_new_state(optimizer: Callable[[list[tf.Variable]], Any] | None = None) -> TrainState:
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            network = build_network(config.model, run.shape)
            if weights is not None:
                network.set_weights(weights)
            return TrainState(network, optimizer and optimizer(network.trainable_weights), None, StepLosses())

    def read() -> tf.distribute.DistributedDataset:
        return strategy.experimental_distribute_dataset(
            read_training_batches(manifest, batch=training.batch, seed=0, dense=True)
        )

    about: dict[str, Any] = {"shape": run.shape, "loss": config.loss}

    def take_steps(state: TrainState) -> list[float]:
        step, kept = make_train_step(strategy, state, **about), []
        for batch in itertools.islice(read(), FLAGS.steps):
            step(batch)
            kept.append(float(state.losses.read_recent(1)[0, 0]))
        return kept

    def make_sgd(variables: list[tf.Variable]) -> Any:
        optimizer = tf.keras.optimizers.SGD(FLAGS.rate, jit_compile=False)
        optimizer.build(variables)
        return optimizer

    first = make_new_state()

    @tf.function(autograph=False)
    def compute_all(images: Any, targets: Any) -> Any:
        return strategy.run(partial(compute_gradients, first, **about), args=(images, targets))[0]

    found: dict[str, Any] = {}
    for k, gradient in enumerate(compute_all(*next(iter(read())))):
        found[f"gradient_{k}"] = strategy.reduce(tf.distribute.ReduceOp.SUM, gradient, axis=None).numpy()
    if FLAGS.steps:
        sgd = make_new_state(make_sgd)
        take_steps(sgd)
        for k, weight in enumerate(sgd.network.trainable_weights):
            found[f"weight_{k}"] = weight.numpy()
        epoch_steps = training.epoch_steps or count_steps_per_pass(manifest, training.batch)
        rate = LearningRate(training.schedule, epoch_steps=epoch_steps, epochs=training.epochs)
        own = make_new_state(
            lambda variables: make_optimizer(training.optimizer, rate, precision="float32", variables=variables)
        )
        found["losses"] = take_steps(own)
    np.savez(FLAGS.output, **found)


if __name__ == "__main__":
    run_command(main)
