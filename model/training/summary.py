"""What a training prints before its first step and after its last one."""

from __future__ import annotations

import tensorflow as tf

from model.distribution.strategies import find_rank, list_devices
from model.training.checkpoints import Progress, find_reason_to_end
from model.training.run_folder import RunFolder, find_other_parts
from pipeline.command_line import make_variable
from pipeline.config.run_config import Config, TrainingConfig
from pipeline.errors import format_count, make_printable
from pipeline.records.manifest import Manifest

FEW = 8  # images a replica: with fewer, the statistics of its batch norm are noisy


def print_start(
    config: Config,
    manifest: Manifest,
    network: tf.keras.Model,
    strategy: tf.distribute.Strategy,
    progress: Progress,
    *,
    strategy_name: str,
    epoch_steps: int,
    restored: str | None,
    loaded: str | None,
) -> None:
    """Prints what is trained, on what, and from where.

    `restored` is the checkpoint, `loaded` what came from pretrained weights, each if there was any.
    """
    training, rank, replicas = config.training, find_rank(strategy), strategy.num_replicas_in_sync
    records = format_count(manifest.examples("train"), "record")
    parameters = f"{len(manifest.anchors):,} anchors, {network.count_params():,} parameters"
    print(make_printable(f"training {config.name} on {manifest.folder}: {records}, {parameters}"))
    if other := find_other_parts(config, manifest):
        print(f"taken from the records instead of the configuration: {', '.join(other)}")
    print(
        f"strategy {strategy_name}, replicas {replicas} on {', '.join(list_devices(strategy))}, "
        f"global batch {training.batch} ({training.batch // replicas} a replica)"
    )
    if replicas > 1 and training.batch // replicas < FEW and not config.model.synchronized_batch_norm:
        print("a replica's batch norm sees few images: raise BATCH, or add ARGS=--sync_batch_norm")
    if loaded:
        print(make_printable(loaded))
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
    print(make_printable(f"run: {folder.path} ({', '.join(folder.list_contents())})"))
    where = f"{make_variable('RUN', folder.path)} {make_variable('RECORDS', manifest.folder)}"
    print(make_printable(f"next: make evaluate {where}"))
