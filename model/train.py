"""Trains a detector on a record set.

prematch train --config=cifar10_improved --records=records/cifar10_improved --strategy=mirrored
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags, logging

from model import train_flags
from model.detection.coco import DetectedImage
from model.detection.evaluator import Evaluator
from model.distribution.strategies import (
    check_batch,
    check_same_run,
    check_same_step,
    distribute,
    find_rank,
    has_accelerator,
    make_strategy,
    take_chiefs_number,
)
from model.distribution.tensorflow_workarounds import keep_freed_memory
from model.network.backbones.registry import find_backbone
from model.network.execution import check_arithmetic, set_arithmetic
from model.network.ssd import build_network
from model.training.addons import check_addons, choose_cross_device_ops
from model.training.augmentation import add_draws, check_flips, unpack_augmented, unpack_batches
from model.training.checkpoints import (
    BestCheckpoint,
    LastCheckpoints,
    Progress,
    find_reason_to_end,
    has_checkpoints,
    restore_or_begin,
)
from model.training.evaluate_on_val import Scores, evaluate_on_val
from model.training.failures import name_training_failures
from model.training.loss import check_box_loss
from model.training.optimizers import check_optimizer
from model.training.pretrained_weights import load_pretrained_weights
from model.training.run_folder import RunFolder, describe_run
from model.training.run_log import RunLog, read_history
from model.training.step_losses import READ_EVERY, check_finite
from model.training.summary import print_end, print_start
from model.training.train_step import TrainState, make_state, make_train_step
from pipeline.command_line import run_command
from pipeline.config.run_config import Config, TrainingConfig
from pipeline.errors import UserError
from pipeline.reader.batch_spec import make_batch_spec
from pipeline.reader.dataset import Reader, count_steps_per_pass, name_read_errors, read_training_batches
from pipeline.records.manifest import Manifest, check_shards, load_manifest

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(train_flags)  # --help lists them


def main() -> None:
    """From flags to a trained model: checks, sets up, restores what is there, and trains."""
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    config = train_flags.read_config()
    training = config.training
    manifest = load_manifest(FLAGS.records or f"records/{FLAGS.config}")
    check_settings(config, manifest)
    cross_device_ops = choose_cross_device_ops(training.optimizer)
    strategy = make_strategy(FLAGS.strategy, FLAGS.replicas, cross_device_ops=cross_device_ops)
    rank = find_rank(strategy)
    check_batch(training.batch, strategy.num_replicas_in_sync)
    check_arithmetic(config, replicas=strategy.num_replicas_in_sync)
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
    spec = make_batch_spec(manifest, "train")
    unpack = partial(unpack_augmented, spec=spec, config=config.augment, by_matrices=on_device)
    with strategy.scope():
        network = build_network(config.model, run.shape)
        loaded = pretrained.give_to(network, freeze=config.model.freeze) if pretrained else None
        state = make_state(network, training, epoch_steps=epoch_steps)
    in_step = unpack if on_device else None
    train_step = make_train_step(strategy, state, shape=run.shape, loss=config.loss, unpack=in_step, xla=training.xla)

    started = time.monotonic()
    progress = Progress()
    checkpoints = LastCheckpoints(folder, state, progress, rank)
    restored = restore_or_begin(checkpoints, folder)
    check_same_step(strategy, progress.step, str(folder.path))
    # Of later epochs, the states were not saved.
    history = read_history(folder.history, epochs=progress.step // epoch_steps) if rank.is_chief else []
    print_start(
        config,
        manifest,
        network,
        strategy,
        progress,
        strategy_name=FLAGS.strategy,
        epoch_steps=epoch_steps,
        restored=restored,
        loaded=loaded,
    )

    if not find_reason_to_end(progress, training, epoch_steps=epoch_steps):
        evaluator = Evaluator(config.model, run.shape, config.decode)
        log = RunLog(folder, training, history, class_names=manifest.class_names, rank=rank)
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


def check_settings(config: Config, manifest: Manifest) -> None:
    """Raises `UserError` for settings that cannot work together or with the records, on any device."""
    training = config.training
    find_backbone(config.model)  # raises if there is none of this name, or with so few blocks
    check_box_loss(config.loss)
    check_flips(config.augment, manifest.anchors)
    check_optimizer(training.optimizer, training.precision)
    check_addons(optimizer=training.optimizer, box_loss=config.loss.offsets)
    if training.patience is not None and not manifest.examples("val"):
        raise UserError(f"--patience compares AP on val, but {manifest.folder} has no val records; leave it out")


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
                losses = state.losses.read_recent(progress.step - checked)
                check_finite(losses, manifest, training, first=checked, ranks=rank.count)
                checked = progress.step
                log.write_step(checked, losses[-1])
            if backup and progress.step < last:  # the epoch is not done until it is evaluated
                checkpoints.save()
        means = state.losses.read_means(epoch_steps)
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


if __name__ == "__main__":
    run_command(main)
