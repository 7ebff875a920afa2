"""Trains a detector on a record set.

prematch train --config=cifar10_improved --records=records/cifar10_improved --strategy=mirrored
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags, logging

from configs import config_names, load_config
from model.detection.coco import DetectedImage
from model.detection.evaluator import Evaluator
from model.distribution.strategies import (
    STRATEGIES,
    check_batch,
    check_same_run,
    check_same_step,
    distribute,
    find_rank,
    has_accelerator,
    list_devices,
    make_strategy,
    take_chiefs_number,
)
from model.distribution.tensorflow_workarounds import keep_freed_memory
from model.network.backbones.registry import find_backbone
from model.network.execution import check_arithmetic, set_arithmetic
from model.network.ssd import build_network
from model.training.addons import check_addons, cross_device_ops_for
from model.training.augmentation import add_draws, check_flips, unpack_augmented, unpack_batches
from model.training.checkpoints import BestCheckpoint, LastCheckpoints, Progress, has_checkpoints
from model.training.evaluate_on_val import Scores, evaluate_on_val
from model.training.failures import name_training_failures
from model.training.loss import BOX_LOSSES, check_box_loss
from model.training.optimizers import OPTIMIZERS, check_optimizer
from model.training.pretrained_weights import IMAGENET, load_pretrained_weights
from model.training.run_folder import RunFolder, describe_run, other_parts
from model.training.run_log import RunLog
from model.training.step_losses import READ_EVERY, check_finite
from model.training.train_step import TrainState, make_state, make_train_step
from pipeline.command_line import make_variable, run_command
from pipeline.config.run_config import PRECISIONS, Config, TrainingConfig
from pipeline.errors import UserError, format_count, make_printable
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.dataset import Reader, count_steps_per_pass, name_read_errors, read_training_batches
from pipeline.records.manifest import Manifest, check_shards, load_manifest

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
flags.DEFINE_enum(
    "box_loss", None, list(BOX_LOSSES), "Error of the offsets or of the boxes, instead of the configuration's."
)
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
flags.DEFINE_integer("patience", None, "Stop when AP on val has not risen for n evaluations.")
flags.DEFINE_integer(
    "backup_steps", 500, "Save everything every n steps too, not only after each epoch.", lower_bound=1
)
flags.DEFINE_enum("check", "checksums", ["checksums", "sizes"], "What to check of the records before training.")


def main() -> None:
    """From flags to a trained model: sets up, restores what is there, and trains."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    config = configure()
    training = config.training
    manifest = load_manifest(FLAGS.records or f"records/{FLAGS.config}")
    find_backbone(config.model)  # raises if there is none of this name, or with so few blocks
    check_box_loss(config.loss)
    check_flips(config.augment, manifest.anchors)
    check_optimizer(training.optimizer, training.precision)
    check_addons(optimizer=training.optimizer, box_loss=config.loss.offsets)
    strategy = make_strategy(FLAGS.strategy, FLAGS.replicas, cross_device_ops=cross_device_ops_for(training.optimizer))
    rank, replicas = find_rank(strategy), strategy.num_replicas_in_sync
    check_batch(training.batch, replicas)
    check_arithmetic(config, replicas=replicas)
    if training.patience is not None and not manifest.examples("val"):
        raise UserError(f"--patience compares AP on val, but {manifest.folder} has no val records; leave it out")
    count_steps_per_pass(manifest, training.batch, rank.count)  # raises if there are too few records or shards
    epoch_steps = training.epoch_steps or count_steps_per_pass(manifest, training.batch)
    if FLAGS.check == "checksums":
        for split in ("train", "val"):
            check_shards(manifest, split)

    run = describe_run(config, manifest, ranks=rank.count)
    folder = RunFolder(Path(FLAGS.run or f"runs/{FLAGS.config}"))
    pretrained = load_pretrained_weights(training.init, run) if training.init and not has_checkpoints(folder) else None
    if rank.is_chief:
        lock = folder.hold()  # the kernel drops it when this process ends
        folder.begin(run, command=" ".join(sys.argv))
    check_same_run(strategy, run.identity(), str(folder.config))

    set_arithmetic(config)
    # An accelerator gets batches as they are stored, and unpacks them. On a CPU the reader's threads do it faster.
    on_device = training.xla or has_accelerator(strategy)
    unpack = partial(
        unpack_augmented, spec=make_batch_spec(manifest, "train"), config=config.augment, by_matrices=on_device
    )
    with strategy.scope():
        network = build_network(config.model, run.shape)
        taken = pretrained.give_to(network, freeze=config.model.freeze) if pretrained else None
        state = make_state(network, training, epoch_steps=epoch_steps)
    train_step = make_train_step(
        strategy,
        state,
        shape=run.shape,
        loss=config.loss,
        unpack=unpack if on_device else None,
        xla=training.xla,
    )

    started = time.monotonic()
    progress = Progress()
    checkpoints = LastCheckpoints(folder, state, progress, rank)
    restored = checkpoints.restore()
    if restored is None:
        if folder.history.exists() or folder.best.exists():
            raise UserError(
                f"{folder.last} holds no checkpoint to resume from; choose another --run, or remove "
                "the folder to train from the start"
            )
        checkpoints.save()  # from here on there always is one
    check_same_step(strategy, progress.step, str(folder.path))

    print_start(config, manifest, network, strategy, progress, epoch_steps=epoch_steps, restored=restored, taken=taken)
    finished = progress.step // epoch_steps
    log = RunLog(folder, training, class_names=manifest.class_names, finished=finished, rank=rank)
    if not find_reason_to_end(progress, training, epoch_steps=epoch_steps):
        evaluator = Evaluator(config.model, run.shape, config.decode)
        read = partial(read_batches, manifest, config, start_step=progress.step, unpack=None if on_device else unpack)
        with name_training_failures(batch=training.batch, rank=rank), name_read_errors(manifest, "train"):
            train(
                iter(distribute(strategy, read, batch=training.batch)),
                train_step,
                state,
                progress,
                training=training,
                manifest=manifest,
                strategy=strategy,
                epoch_steps=epoch_steps,
                backup_steps=FLAGS.backup_steps,
                evaluate=partial(evaluate_on_val, evaluator, state, manifest, training, rank=rank),
                best=BestCheckpoint(folder, evaluator.network),
                checkpoints=checkpoints,
                log=log,
            )

    if rank.is_chief:
        print_end(folder, manifest, training, progress, epoch_steps=epoch_steps, seconds=time.monotonic() - started)
        os.close(lock)


def train(
    batches: Iterator[Any],
    train_step: Callable[[Any], None],
    state: TrainState,
    progress: Progress,
    *,
    training: TrainingConfig,
    manifest: Manifest,
    strategy: tf.distribute.Strategy,
    epoch_steps: int,
    backup_steps: int,
    evaluate: Callable[[], tuple[Scores, list[DetectedImage]]],
    best: BestCheckpoint,
    checkpoints: LastCheckpoints,
    log: RunLog,
) -> None:
    """Trains from where `progress` stands to the end. All ranks run it together; rank 0 writes.

    No step waits for a value: losses stay on the devices, and are read together before anything is saved.

    Args:
        batches: global batches, from the one of step `progress.step` on.
        train_step: trains on one of them.
        state: what it changes.
        progress: how far the training is; is counted on.
        training: the configuration.
        manifest: of the records, to name those of a broken step.
        strategy: of the ranks.
        epoch_steps: steps of an epoch.
        backup_steps: after as many steps everything is saved, besides at the end of each epoch.
        evaluate: scores of the weights on val, and images with detections; nothing on ranks other than 0.
        best: saves the weights that `evaluate` has scored.
        checkpoints: save everything.
        log: tells the user.

    Raises `UserError` at a loss that is not finite, `OSError` if the disk is full.
    """
    rank = find_rank(strategy)
    checked = progress.step  # steps whose losses are known to be finite
    for epoch in range(progress.step // epoch_steps + 1, training.epochs + 1):
        keep_freed_memory()
        if progress.step % epoch_steps == 0:  # otherwise it goes on with the sums that were restored
            state.losses.begin_epoch()
        log.begin_epoch(epoch, step=progress.step, epoch_steps=epoch_steps)
        last = epoch * epoch_steps
        while progress.step < last:
            with log.input_wait():
                batch = next(batches)
            train_step(batch)
            progress.step += 1
            log.end_step()
            backup = progress.step % backup_steps == 0
            if backup or progress.step % READ_EVERY == 0 or progress.step == last:
                losses = state.losses.recent(progress.step - checked)
                check_finite(losses, manifest, training, first=checked, ranks=rank.count)
                checked = progress.step
                log.write_step(checked, losses[-1])
            if backup and progress.step < last:  # the epoch is not done until it is evaluated
                checkpoints.save()
        means = state.losses.means(epoch_steps)
        log.end_steps(epoch, means)

        scores: Scores = {}
        images: list[DetectedImage] = []
        if epoch % training.evaluate_every == 0 or epoch == training.epochs:
            scores, images = evaluate()
            if rank.is_chief:
                # With no scores to compare, the latest weights are the best known.
                risen = not scores or scores["AP"] > progress.best_ap
                if risen:
                    best.save(epoch)
                progress.note(scores.get("AP"))
                log.print_scores(epoch, scores, risen=risen)
            progress.stale = take_chiefs_number(strategy, progress.stale)  # so all ranks stop together
        log.write_row(epoch, rate=float(losses[-1, -1]), means=means, scores=scores)
        checkpoints.save()
        log.draw(images)
        if find_reason_to_end(progress, training, epoch_steps=epoch_steps):
            break


def print_start(
    config: Config,
    manifest: Manifest,
    network: tf.keras.Model,
    strategy: tf.distribute.Strategy,
    progress: Progress,
    *,
    epoch_steps: int,
    restored: str | None,
    taken: str | None,
) -> None:
    """Prints what is trained, on what, and from where. `restored`: the checkpoint; `taken`: from pretrained weights."""
    training, rank, replicas = config.training, find_rank(strategy), strategy.num_replicas_in_sync
    records = format_count(manifest.examples("train"), "record")
    parameters = f"{len(manifest.anchors):,} anchors, {network.count_params():,} parameters"
    print(make_printable(f"training {config.name} on {manifest.folder}: {records}, {parameters}"))
    if other := other_parts(config, manifest):
        print(f"taken from the records instead of the configuration: {', '.join(other)}")
    print(
        f"strategy {FLAGS.strategy}, replicas {replicas} on {', '.join(list_devices(strategy))}, "
        f"global batch {training.batch} ({training.batch // replicas} a replica)"
    )
    if replicas > 1 and training.batch // replicas < FEW and not config.model.synchronized_batch_norm:
        print("a replica's batch norm sees few images: raise BATCH, or add ARGS=--sync_batch_norm")
    if taken:
        print(make_printable(taken))
    mined_in = "each replica's share of the batch" if config.loss.mining == "batch" else "each image"
    print(f"hard negatives: mined in {mined_in}")
    if rank.count > 1:
        print(f"rank {rank.index} of {rank.count}; rank 0 evaluates and writes the files")
    if done := find_reason_to_end(progress, training, epoch_steps=epoch_steps):
        print(make_printable(f"training is done: {done}, the last is {restored}; to train more choose another --run"))
        return
    steps = training.epochs * epoch_steps
    print(f"{steps:,} steps are {steps * training.batch / manifest.examples('train'):,.1f} passes over the records")
    epochs = f"epochs {progress.step // epoch_steps + 1} to {training.epochs} of {format_count(epoch_steps, 'step')}"
    resumed = f", resumed from {restored}, step {progress.step:,}" if restored else ""
    print(make_printable(epochs + resumed), flush=True)


def print_end(
    folder: RunFolder,
    manifest: Manifest,
    training: TrainingConfig,
    progress: Progress,
    *,
    epoch_steps: int,
    seconds: float,
) -> None:
    """Prints what was reached in so many seconds, where it is, and what to do with it."""
    best = f"best AP on val {progress.best_ap:.4f}"
    if progress.best_ap < 0:
        best = "val shows no objects, so the last weights are kept"
    trained = find_reason_to_end(progress, training, epoch_steps=epoch_steps)
    print(f"trained {trained} ({seconds:,.0f} s in this session); {best}")
    print(make_printable(f"run: {folder.path} ({', '.join(folder.contents())})"))
    where = f"{make_variable('RUN', folder.path)} {make_variable('RECORDS', manifest.folder)}"
    print(make_printable(f"next: make evaluate {where}"))


def find_reason_to_end(progress: Progress, training: TrainingConfig, *, epoch_steps: int) -> str | None:
    """Why a training has come to its end, as it follows "done: "; None if it has not."""
    epochs = progress.step // epoch_steps
    if training.patience is not None and progress.stale >= training.patience and epochs < training.epochs:
        stale = format_count(progress.stale, "evaluation")
        return f"{epochs} of {format_count(training.epochs, 'epoch')}, because AP on val has not risen for {stale}"
    return format_count(epochs, "epoch") if epochs == training.epochs else None


def read_batches(
    manifest: Manifest,
    config: Config,
    reader: Reader,
    *,
    start_step: int,
    unpack: Callable[[dict[str, tf.Tensor]], Any] | None,
) -> tf.data.Dataset:
    """A rank's part of every global batch from a step on: sparse, or unpacked by the reader's threads."""
    batch, seed = config.training.batch, config.training.seed
    plain = read_training_batches(manifest, batch=batch, seed=seed, start_step=start_step, reader=reader)
    canvas = manifest.canvas
    sparse = add_draws(plain, config.augment, canvas=canvas, seed=seed, start_step=start_step, reader=reader)
    return unpack_batches(sparse, unpack) if unpack else sparse


def configure() -> Config:
    """The configuration that `--config` names, with the values of the other flags in it."""
    config = load_config(FLAGS.config)

    def change(part: Any, **values: Any) -> Any:
        return dataclasses.replace(part, **{name: value for name, value in values.items() if value is not None})

    loss = change(config.loss, offsets=FLAGS.box_loss)
    if FLAGS.box_loss and (known := BOX_LOSSES.get(config.loss.offsets)) and known.weight is None:
        loss = change(loss, offsets_weight=BOX_LOSSES[FLAGS.box_loss].weight)
    return dataclasses.replace(
        config,
        loss=loss,
        model=change(config.model, synchronized_batch_norm=FLAGS.sync_batch_norm, freeze=FLAGS.freeze),
        training=change(
            config.training,
            epochs=FLAGS.epochs,
            batch=FLAGS.batch,
            optimizer=FLAGS.optimizer,
            precision=FLAGS.precision,
            xla=FLAGS.xla,
            deterministic=FLAGS.deterministic,
            init=FLAGS.init,
            evaluate_every=FLAGS.evaluate_every,
            evaluate_examples=FLAGS.evaluate_examples,
            patience=FLAGS.patience,
        ),
    )


if __name__ == "__main__":
    run_command(main)
