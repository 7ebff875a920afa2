"""Strategies by name: how many replicas share the global batch, on which devices, in which processes."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from model.distribution.workers import Worker, worker_from_environment
from pipeline.errors import UserError
from pipeline.reader.dataset import ONLY_READER, Reader

MULTIWORKER = "multiworker"
STRATEGIES = ("default", "mirrored", MULTIWORKER)


def make_strategy(
    name: str, replicas: int | None = None, *, cross_device_ops: tf.distribute.CrossDeviceOps | None = None
) -> tf.distribute.Strategy:
    """The strategy of that name. At most one but `default` a process, before TensorFlow starts its devices.

    Args:
        name: "default", one device; "mirrored", one replica on each GPU, or on a part of the CPU where there is
            no GPU; or "multiworker", one replica on each GPU of every process that TF_CONFIG names, or one in
            each where there is no GPU.
        replicas: of "mirrored"; None for all GPUs, or for one replica on a CPU.
        cross_device_ops: of "mirrored"; None for TensorFlow's choice.

    Raises:
        UserError: for another name, more replicas than GPUs, or a TF_CONFIG that says nothing usable.
    """
    if name not in STRATEGIES:
        raise UserError(f"--strategy must be one of {', '.join(STRATEGIES)}, got {name!r}")
    if replicas is not None and replicas < 1:
        raise UserError(f"--replicas must be at least 1, got {replicas}")
    if name != "mirrored" and replicas not in (None, 1):
        raise UserError(f"--replicas must be 1 with --strategy={name}, got {replicas}; use --strategy=mirrored")
    if name == "default":
        return tf.distribute.get_strategy()
    if name == MULTIWORKER:
        worker_from_environment()  # TensorFlow would wait, or fail in its own way
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        count = replicas or len(gpus)
        if count > len(gpus):
            raise UserError(f"--replicas must be at most {len(gpus)}, the number of GPUs, got {count}")
        return tf.distribute.MirroredStrategy([f"GPU:{k}" for k in range(count)], cross_device_ops)
    count = replicas or 1
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    return tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(count)], cross_device_ops)


def worker_of(strategy: tf.distribute.Strategy) -> Worker:
    """Which of the processes that train together this one is."""
    return worker_from_environment() if _is_multiworker(strategy) else Worker()


def distribute(
    strategy: tf.distribute.Strategy, make_batches: Callable[[Reader], tf.data.Dataset], *, batch: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """What `fit` reads: each process makes its own part of the global batches.

    Args:
        strategy: whose replicas share the batches.
        make_batches: the batches of one reader.
        batch: pictures in a global batch.
    """
    if not _is_multiworker(strategy):
        return make_batches(ONLY_READER)
    share = batch // strategy.num_replicas_in_sync

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        reader = Reader(context.input_pipeline_id, context.num_input_pipelines)
        return make_batches(reader).rebatch(share, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_this_process)


def check_same_step(strategy: tf.distribute.Strategy, step: int, folder: str) -> None:
    """Raises `UserError` where the processes that train together would not go on from the same step."""
    if not _is_multiworker(strategy):
        return
    total = strategy.reduce(
        tf.distribute.ReduceOp.SUM, strategy.run(tf.function(lambda: tf.constant(step, tf.int64))), axis=None
    )
    if int(total) != step * strategy.num_replicas_in_sync:
        raise UserError(f"--run must be one folder that all workers share, got {folder}, in which this one finds "
                        f"step {step} and another a different one")  # fmt: skip


def device_names(strategy: tf.distribute.Strategy) -> list[str]:
    """The devices of the replicas in this process, in short: CPU:0, GPU:1."""
    if isinstance(strategy, tf.distribute.MirroredStrategy) or _is_multiworker(strategy):
        names = list(strategy.extended.worker_devices)
    else:
        names = [device.name for device in tf.config.list_logical_devices("GPU")[:1]] or ["CPU:0"]
    return [":".join(name.split(":")[-2:]) for name in names]


def check_batch(batch: int, replicas: int) -> None:
    """Raises `UserError` where the replicas cannot share the global batch evenly."""
    if batch % replicas:
        raise UserError(f"--batch must be a multiple of the {replicas} replicas, which share it, got {batch}")


def _is_multiworker(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
