"""Strategies by name: which devices of which processes share the global batch."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from model.distribution.tensorflow_workarounds import end_device_iterators_at_once
from model.distribution.workers import Rank, read_rank
from pipeline.errors import UserError
from pipeline.reader.dataset import ONLY_READER, Reader
from pipeline.records.keys import hash63

MULTIWORKER = "multiworker"
STRATEGIES = ("default", "mirrored", MULTIWORKER)


def make_strategy(
    name: str, replicas: int | None = None, *, cross_device_ops: tf.distribute.CrossDeviceOps | None = None
) -> tf.distribute.Strategy:
    """The strategy of that name. Make at most one, before TensorFlow starts its devices; "default" is exempt.

    Args:
        name: "default": one device. "mirrored": one replica on each GPU, or, without a GPU, on a logical device of
            the CPU. "multiworker": one replica on each GPU of every process that TF_CONFIG names, or, without
            GPUs, one in each process.
        replicas: of "mirrored"; None for all GPUs, or for one replica on a CPU.
        cross_device_ops: of "mirrored"; None for TensorFlow's choice.

    Raises:
        UserError: for another name, more replicas than GPUs, or an unusable TF_CONFIG.
    """
    if name not in STRATEGIES:
        raise UserError(f"--strategy must be one of {', '.join(STRATEGIES)}, got {name!r}")
    if replicas is not None and replicas < 1:
        raise UserError(f"--replicas must be at least 1, got {replicas}")
    if name != "mirrored" and replicas not in (None, 1):
        raise UserError(f"--replicas must be 1 with --strategy={name}, got {replicas}; use --strategy=mirrored")
    if name == "default":
        return tf.distribute.get_strategy()
    end_device_iterators_at_once()
    if name == MULTIWORKER:
        read_rank()  # refuses settings with which TensorFlow would hang or print a traceback
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        # TensorFlow now catches SIGTERM for preemption handlers that we do not use; SIGTERM would not end the process.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return strategy
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


def find_rank(strategy: tf.distribute.Strategy) -> Rank:
    """The rank of this process among those that train together."""
    return read_rank() if _is_multiworker(strategy) else Rank()


def reduce_over_replicas(value: tf.Tensor, operation: tf.distribute.ReduceOp) -> tf.Tensor:
    """The sum or the mean of the replicas' values; the value itself with one replica, or outside of a replica."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(operation, value)


def distribute(
    strategy: tf.distribute.Strategy, make_batches: Callable[[Reader], tf.data.Dataset], *, batch: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """The batches of a training: each process reads its own part of every global batch.

    Args:
        strategy: whose replicas share the batches.
        make_batches: makes the batches of one reader.
        batch: images in a global batch.
    """
    if not _is_multiworker(strategy):
        return strategy.experimental_distribute_dataset(make_batches(ONLY_READER))
    share = batch // strategy.num_replicas_in_sync
    # If batches could end, TensorFlow would ask every process at every step whether it has another one.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        reader = Reader(context.input_pipeline_id, context.num_input_pipelines)
        return make_batches(reader).rebatch(share, drop_remainder=True).apply(endless)

    return strategy.distribute_datasets_from_function(of_this_process)


def check_same_run(strategy: tf.distribute.Strategy, identity: dict[str, Any], config: str) -> None:
    """Raises `UserError`, in all processes that train together, unless all of them were started for the same run.

    Args:
        strategy: whose processes are compared.
        identity: what decides the run.
        config: the file that rank 0 keeps it in, for the message.
    """
    # Few enough bits that a sum over thousands of replicas fits.
    if not _do_all_have(strategy, hash63(json.dumps(identity, sort_keys=True)) >> 15):
        raise UserError(
            f"the ranks were started with different configurations, flags or records; those of rank 0 are in {config}"
        )


def check_same_step(strategy: tf.distribute.Strategy, step: int, folder: str) -> None:
    """Raises `UserError` if the processes that train together would start from different steps."""
    if not _do_all_have(strategy, step):
        raise UserError(
            f"--run must be one folder that all ranks share, got {folder}, where this rank finds step {step} and "
            "another rank finds a different one"
        )


def _do_all_have(strategy: tf.distribute.Strategy, number: int) -> bool:
    """Whether all processes have the same number, as far as this one can tell from their sum."""
    return not _is_multiworker(strategy) or _sum(strategy, number) == number * strategy.num_replicas_in_sync


def _sum(strategy: tf.distribute.Strategy, number: int) -> int:
    """The sum of the processes' numbers, each of them once for each of its replicas."""
    mine = strategy.run(tf.function(lambda: tf.constant(number, tf.int64)))
    return int(strategy.reduce(tf.distribute.ReduceOp.SUM, mine, axis=None))


def take_chiefs_number(strategy: tf.distribute.Strategy, number: int) -> int:
    """Rank 0's number, in all processes that train together; they must call it together."""
    rank = find_rank(strategy)
    return (
        number
        if rank.count == 1
        else _sum(strategy, number if rank.is_chief else 0) * rank.count // strategy.num_replicas_in_sync
    )


def list_devices(strategy: tf.distribute.Strategy) -> list[str]:
    """The devices of the replicas in this process, in short form: CPU:0, GPU:1."""
    if isinstance(strategy, tf.distribute.MirroredStrategy) or _is_multiworker(strategy):
        names = list(strategy.extended.worker_devices)
    else:
        names = [device.name for device in tf.config.list_logical_devices("GPU")[:1]] or ["CPU:0"]
    return [":".join(name.split(":")[-2:]) for name in names]


def has_accelerator(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas in this process run on anything but a CPU."""
    return not all(name.startswith("CPU") for name in list_devices(strategy))


def check_batch(batch: int, replicas: int) -> None:
    """Raises `UserError` if the replicas cannot share the global batch evenly."""
    if batch % replicas:
        raise UserError(f"--batch must be a multiple of the {replicas} replicas, which share it, got {batch}")


def _is_multiworker(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
