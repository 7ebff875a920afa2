"""Trains a detector on a record set.

prematch train --config=cifar10_improved --records=records/cifar10_improved --strategy=mirrored
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import tensorflow as tf
from absl import flags, logging
from pipeline.reader.feed import feed_of

from configs import config_names, load_config
from model.detection.evaluator import Evaluator
from model.distribution.strategies import (
    STRATEGIES,
    check_batch,
    check_same_run,
    check_same_step,
    device_names,
    distribute,
    has_accelerator,
    make_strategy,
    rank_of,
)
from model.network.backbones.registry import find_backbone
from model.network.execution import check_arithmetic, set_arithmetic
from model.network.ssd import build_network
from model.training.addons import AVERAGING, OptimizerAverages, check_addons, cross_device_ops_for
from model.training.augmentation import unpack_augmented, unpacked, with_draws
from model.training.broken_loss import StopOnBrokenLoss
from model.training.checkpoints import LastCheckpoints, has_checkpoints
from model.training.detector import Detector
from model.training.draw_images import DrawImages
from model.training.epoch_means import EpochMeans
from model.training.evaluate_on_val import EvaluateOnVal
from model.training.failures import named_training_failures
from model.training.history import WriteHistory
from model.training.memory import KeepFreedMemory
from model.training.optimizers import OPTIMIZERS, check_optimizer, make_optimizer
from model.training.overrides import with_overrides
from model.training.pretrained_weights import IMAGENET, load_pretrained_weights
from model.training.progress import CountSteps, Progress
from model.training.run_folder import RunFolder, describe_run, other_parts
from model.training.save_last import SaveLast
from model.training.schedule import LearningRate
from model.training.show_progress import ShowProgress
from model.training.tensorboard import WriteTensorBoard
from pipeline.command_line import make_variable, run_command
from pipeline.config.run_config import BOX_LOSSES, PRECISIONS
from pipeline.errors import UserError, counted, printable
from pipeline.reader.dataset import Reader, named_read_errors, steps_per_pass, training_batches
from pipeline.records.manifest import check_shards, load_manifest

FEW = 8  # images a replica: with fewer, the statistics of its batch norm are noisy

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_improved", f"One of {', '.join(config_names())}.")
flags.DEFINE_string("records", None, "Folder of the record set; default: records/<config>.")
flags.DEFINE_string("run", None, "Folder of the run, new or to be resumed; default: runs/<config>.")
flags.DEFINE_string("strategy", "default", f"How to use the devices: {', '.join(STRATEGIES)}.")
flags.DEFINE_integer("replicas", None, "Replicas of `mirrored`; default: one on each GPU, or one on the CPU.")
flags.DEFINE_integer("epochs", None, "Epochs, instead of the configuration's.")
flags.DEFINE_integer("batch", None, "Global batch, shared by the replicas, instead of the configuration's.")
flags.DEFINE_string("optimizer", None, f"One of {', '.join(OPTIMIZERS)}, instead of the configuration's.")
flags.DEFINE_enum("box_loss", None, BOX_LOSSES, "Error of the offsets or of the boxes, instead of the configuration's.")
flags.DEFINE_bool("sync_batch_norm", None, "Batch norm over the global batch, instead of each replica's share.")
flags.DEFINE_enum("precision", None, PRECISIONS, "Arithmetic of the network, instead of the configuration's.")
flags.DEFINE_bool("xla", None, "Compile the step with XLA; one replica only.")
flags.DEFINE_bool("deterministic", None, "The same bits in every run, and after every restart; slower.")
flags.DEFINE_string(
    "init",
    None,
    f"Weights to begin with: {IMAGENET}, a file of Keras Applications' MobileNetV2, or the folder of a run.",
)
flags.DEFINE_integer("freeze", None, "Keep the pretrained weights of the stem and of the first n blocks.")
flags.DEFINE_integer("evaluate_every", None, "Evaluate every n-th epoch, and the last, instead of the configuration's.")
flags.DEFINE_integer("evaluate_examples", None, "Evaluate the first n images of val, instead of the configuration's.")
flags.DEFINE_integer(
    "backup_steps", 500, "Save everything every n steps too, not only after each epoch.", lower_bound=1
)
flags.DEFINE_enum("check", "checksums", ["checksums", "sizes"], "What to check of the records before training.")


def main() -> None:
    """From flags to a trained model, from top to bottom."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    config = with_overrides(
        load_config(FLAGS.config),
        epochs=FLAGS.epochs,
        batch=FLAGS.batch,
        precision=FLAGS.precision,
        xla=FLAGS.xla,
        deterministic=FLAGS.deterministic,
        evaluate_every=FLAGS.evaluate_every,
        evaluate_examples=FLAGS.evaluate_examples,
        init=FLAGS.init,
        freeze=FLAGS.freeze,
        optimizer=FLAGS.optimizer,
        box_loss=FLAGS.box_loss,
        synchronized_batch_norm=FLAGS.sync_batch_norm,
    )
    training = config.training
    manifest = load_manifest(FLAGS.records or f"records/{FLAGS.config}")
    run = describe_run(config, manifest)
    other = other_parts(config, manifest)
    find_backbone(config.model)  # raises if there is none of this name, or with so few blocks
    check_optimizer(training.optimizer, training.precision)
    check_addons(optimizer=training.optimizer, box_loss=config.loss.offsets)
    strategy = make_strategy(FLAGS.strategy, FLAGS.replicas, cross_device_ops=cross_device_ops_for(training.optimizer))
    rank, replicas = rank_of(strategy), strategy.num_replicas_in_sync
    check_batch(training.batch, replicas)
    check_arithmetic(config, replicas=replicas)
    steps_per_pass(manifest, training.batch, rank.count)  # raises if there are too few records or shards
    # For one rank, not `rank.count`: so a run resumes in the same epoch with another number of ranks.
    epoch_steps = training.epoch_steps or steps_per_pass(manifest, training.batch)
    if FLAGS.check == "checksums":
        for split in ("train", "val"):
            check_shards(manifest, split)
    folder = RunFolder(Path(FLAGS.run or f"runs/{FLAGS.config}"))
    pretrained = load_pretrained_weights(training.init, run) if training.init and not has_checkpoints(folder) else None
    if rank.is_chief:
        lock = folder.hold()  # the kernel drops it when this process ends
        folder.begin(run, command=" ".join(sys.argv))
    check_same_run(strategy, run.identity(), str(folder.config))

    set_arithmetic(config)
    # An accelerator gets batches as they are stored, and unpacks them. On a CPU the reader's threads do it faster.
    on_device = training.xla or has_accelerator(strategy)
    feed = feed_of(manifest, "train")
    unpack = partial(unpack_augmented, feed=feed, config=config.augment, by_matrices=on_device)
    with strategy.scope():
        network = build_network(config.model, run.shape)
        taken = pretrained.give_to(network, freeze=config.model.freeze) if pretrained else None
        detector = Detector(
            network,
            anchors=run.shape.anchors,
            background=manifest.background,
            loss=config.loss,
            average_decay=None if training.optimizer in AVERAGING else training.average_decay,
            xla=training.xla,
            unpack=unpack if on_device else None,
        )
        rate = LearningRate(training.schedule, epoch_steps=epoch_steps, epochs=training.epochs)
        optimizer = make_optimizer(
            training.optimizer,
            rate,
            precision=training.precision,
            variables=detector.network.trainable_variables,
        )
        detector.compile(optimizer=optimizer)
        if training.optimizer in AVERAGING:
            detector.averages = OptimizerAverages(optimizer, detector.network.trainable_variables)

    progress = Progress()
    checkpoints = LastCheckpoints(folder, detector, progress, rank)
    restored = checkpoints.restore()
    if restored is None:
        if folder.history.exists() or folder.best.exists():
            raise UserError(
                f"{folder.last} holds no checkpoint to resume from; choose another --run, or remove "
                "the folder to train from the start"
            )
        checkpoints.save()  # from here on there always is one
    first_epoch, steps_done = divmod(progress.step, epoch_steps)
    check_same_step(strategy, progress.step, str(folder.path))

    print(
        printable(f"training {config.name} on {manifest.folder}: {counted(manifest.examples('train'), 'record')}, ")
        + f"{len(manifest.anchors):,} anchors, {detector.network.count_params():,} parameters"
    )
    if other:
        print(f"taken from the records instead of the configuration: {', '.join(other)}")
    print(
        f"strategy {FLAGS.strategy}, replicas {replicas} on {', '.join(device_names(strategy))}, "
        f"global batch {training.batch} ({training.batch // replicas} a replica)"
    )
    if replicas > 1 and training.batch // replicas < FEW and not config.model.synchronized_batch_norm:
        print("a replica's batch norm sees few images: raise BATCH, or add ARGS=--sync_batch_norm")
    if taken:
        print(printable(taken))
    if config.loss.mining == "batch":
        print("hard negatives: mined in each replica's share of the batch")
    else:
        print("hard negatives: mined in each image")
    if rank.count > 1:
        print(f"rank {rank.index} of {rank.count}; rank 0 evaluates and writes the files")
    if first_epoch == training.epochs:
        done = f"training is done: {counted(training.epochs, 'epoch')}, the last is {restored}"
        print(printable(f"{done}; to train more choose another --run"))
    else:
        resumed = f", resumed from {restored}, step {progress.step:,}" if restored else ""
        passes = training.epochs * epoch_steps * training.batch / manifest.examples("train")
        print(f"{training.epochs * epoch_steps:,} steps are {passes:,.1f} passes over the records")
        print(
            printable(f"epochs {first_epoch + 1} to {training.epochs} of {counted(epoch_steps, 'step')}{resumed}"),
            flush=True,
        )

    evaluation = EvaluateOnVal(
        Evaluator(config.model, run.shape, config.decode),
        manifest,
        folder=folder,
        progress=progress,
        training=training,
        rank=rank,
    )
    show = history = images = None
    if rank.is_chief:
        show = ShowProgress(progress, epochs=training.epochs, epoch_steps=epoch_steps)
        history = WriteHistory(folder, progress, training, finished=first_epoch)
        images = DrawImages(folder, manifest, evaluation, history)
    # Each relies on the ones before it. The most valuable results are saved first, and images come last.
    callbacks = [
        KeepFreedMemory(),
        CountSteps(progress),
        StopOnBrokenLoss(manifest, training, progress, rank, backup_steps=FLAGS.backup_steps),
        EpochMeans(checkpoints, epoch_steps=epoch_steps),
        show,
        evaluation,
        history,
        SaveLast(checkpoints, every=FLAGS.backup_steps, epoch_steps=epoch_steps),
        images,
        WriteTensorBoard(folder, progress, training, rank, images=images),
    ]

    def fit(*, until: int, steps: int) -> None:
        """Trains from the current step to the end of epoch `until`, with `steps` steps in each epoch."""

        def batches_of(reader: Reader) -> tf.data.Dataset:
            seed, step = training.seed, progress.step
            plain = training_batches(manifest, batch=training.batch, seed=seed, start_step=step, reader=reader)
            size = manifest.canvas[0]
            sparse = with_draws(plain, config.augment, canvas_size=size, seed=seed, start_step=step, reader=reader)
            return sparse if on_device else unpacked(sparse, unpack)

        detector.fit(
            distribute(strategy, batches_of, batch=training.batch),
            initial_epoch=progress.step // epoch_steps,
            epochs=until,
            steps_per_epoch=steps,
            verbose=0,
            callbacks=[callback for callback in callbacks if callback is not None],
        )

    started = time.monotonic()
    with named_training_failures(batch=training.batch, rank=rank), named_read_errors(manifest, "train"):
        if steps_done:  # an epoch that was interrupted
            fit(until=first_epoch + 1, steps=epoch_steps - steps_done)
        if progress.step < training.epochs * epoch_steps:
            fit(until=training.epochs, steps=epoch_steps)

    if not rank.is_chief:
        return
    seconds = time.monotonic() - started
    best = f"best AP on val {progress.best_ap:.4f}"
    if progress.best_ap < 0:
        best = "val shows no objects, so the last weights are kept"
    print(f"trained {counted(training.epochs, 'epoch')} ({seconds:,.0f} s in this session); {best}")
    print(printable(f"run: {folder.path} ({', '.join(folder.contents())})"))
    where = f"{make_variable('RUN', folder.path)} {make_variable('RECORDS', manifest.folder)}"
    print(printable(f"next: make evaluate {where}"))
    os.close(lock)


if __name__ == "__main__":
    run_command(main)
