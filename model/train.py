"""Trains a detector on a record set.

python -m model.train --config=cifar10_improved --records=records/cifar10_improved --strategy=mirrored
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import tensorflow as tf
from absl import flags, logging

from configs import config_names, load_config
from model.callbacks import EvaluateOnVal, SaveLast, StopOnBrokenLoss, WriteHistory
from model.checkpoints import LastCheckpoints, Progress
from model.detector import Detector
from model.evaluation import Evaluator
from model.memory import KeepFreedMemory
from model.run_folder import RunFolder, describe_run, with_overrides
from model.schedule import LearningRate
from model.ssd import build_network
from model.strategies import STRATEGIES, check_batch, device_names, make_strategy
from pipeline.dataset import named_read_errors, steps_per_pass, training_batches
from pipeline.errors import run_command
from pipeline.manifest import check_shards, load_manifest

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_improved", f"One of {', '.join(config_names())}.")
flags.DEFINE_string("records", None, "Folder of the record set; default: records/<config>.")
flags.DEFINE_string("run", None, "Folder of the run, made or gone on with; default: runs/<config>.")
flags.DEFINE_string("strategy", "default", f"How to use the devices: {' or '.join(STRATEGIES)}.")
flags.DEFINE_integer("replicas", None, "Replicas of `mirrored`; default: one on each GPU, or one on the CPU.")
flags.DEFINE_integer("epochs", None, "Epochs, in place of the configuration's.")
flags.DEFINE_integer("batch", None, "Global batch, shared out among the replicas, in place of the configuration's.")
flags.DEFINE_enum("check", "checksums", ["checksums", "sizes"], "What to check of the records before training.")


def main() -> None:
    """From flags to a trained model; reads from top to bottom."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    config = with_overrides(load_config(FLAGS.config), epochs=FLAGS.epochs, batch=FLAGS.batch)
    training = config.training
    manifest = load_manifest(FLAGS.records or f"records/{FLAGS.config}")
    run = describe_run(config, manifest)
    strategy = make_strategy(FLAGS.strategy, FLAGS.replicas)
    replicas = strategy.num_replicas_in_sync
    check_batch(training.batch, replicas)
    pass_steps = steps_per_pass(manifest, training.batch)
    epoch_steps = training.epoch_steps or pass_steps
    if FLAGS.check == "checksums":
        for split in ("train", "val"):
            check_shards(manifest, split)
    folder = RunFolder(Path(FLAGS.run or f"runs/{FLAGS.config}"))
    folder.begin(run, command=" ".join(sys.argv))

    # The same seed gives the same first weights, whatever the strategy.
    tf.keras.utils.set_random_seed(training.seed)
    with strategy.scope():
        detector = Detector(
            build_network(config.model, run.shape),
            background=manifest.background,
            loss=config.loss,
            average_decay=training.average_decay,
        )
        rate = LearningRate(training.schedule, epoch_steps=epoch_steps, epochs=training.epochs)
        optimizer = tf.keras.optimizers.Adam(rate, jit_compile=False)
        optimizer.build(detector.network.trainable_variables)
        detector.compile(optimizer=optimizer)

    progress = Progress.begin()
    evaluator = Evaluator(config.model, run.shape, config.decode)
    checkpoints = LastCheckpoints(folder, detector, progress)
    restored = checkpoints.restore()
    first_epoch = int(progress.epoch)

    print(f"training {config.name} on {manifest.folder}: {manifest.examples('train'):,} records, "
          f"{len(manifest.anchors):,} anchors, {detector.network.count_params():,} parameters")  # fmt: skip
    print(f"strategy {FLAGS.strategy}, replicas {replicas} on {', '.join(device_names(strategy))}, "
          f"global batch {training.batch} ({training.batch // replicas} a replica)")  # fmt: skip
    if config.loss.mining == "batch":
        print("hard negatives: mining over the batch means over each replica's batch")
    else:
        print("hard negatives: mined in each picture")
    print(f"epochs {first_epoch + 1} to {training.epochs} of {epoch_steps:,} steps"
          f"{f', going on from {restored}' if restored else ''}", flush=True)  # fmt: skip

    started = time.monotonic()
    if first_epoch < training.epochs:
        batches = training_batches(
            manifest, batch=training.batch, seed=training.seed, start_step=first_epoch * epoch_steps
        )
        with named_read_errors(manifest, "train"):
            detector.fit(
                batches,
                initial_epoch=first_epoch,
                epochs=training.epochs,
                steps_per_epoch=epoch_steps,
                verbose=1 if sys.stdout.isatty() else 2,
                callbacks=[
                    KeepFreedMemory(),
                    StopOnBrokenLoss(),
                    EvaluateOnVal(evaluator, manifest, folder=folder, progress=progress, training=training),
                    WriteHistory(folder, first_epoch=first_epoch, training=training),
                    tf.keras.callbacks.TensorBoard(str(folder.tensorboard), write_graph=False),
                    SaveLast(checkpoints),
                ],
            )

    print(f"trained {training.epochs} epochs, {time.monotonic() - started:.0f} s of them now; "
          f"best AP on val {float(progress.best_ap):.4f}")  # fmt: skip
    print(f"run: {folder.path} (history.csv, loss.png, tensorboard/, checkpoints/best, checkpoints/last)")
    print(f"next: make evaluate RUN={folder.path} RECORDS={manifest.folder}")


if __name__ == "__main__":
    run_command(main)
